#!/bin/sh
# Makes deploy/.env with new keys, which `docker compose` reads. Secrets in the data are sealed under POSTHORN_SECRET_KEY: keep a copy
# of it apart from the data. An existing file is left as it is.
set -eu
umask 077
set -o noclobber
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
cat >"$(dirname "$0")/.env" <<END
POSTHORN_SECRET_KEY=$(random)
POSTHORN_API_KEY=$(random)
END
