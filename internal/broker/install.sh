#!/usr/bin/env bash
# Installs a real broker for the tests: install.sh kafka|sqs|nats DIR puts it into DIR/kafka, DIR/sqs, DIR/nats.
# It asks the usual registries for packages by name and version, and does nothing where that version is installed already.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
(($# == 2)) || { echo "usage: $0 kafka|sqs|nats DIR" >&2; exit 2; }
kind=$1
mkdir -p "$2/$kind"
to=$(cd "$2/$kind" && pwd)

# installed says whether the files that say what to install are those that $to was made from; done_with notes them.
installed() { cat "$@" | cmp -s - "$to/.installed"; }
done_with() { cat "$@" >"$to/.installed"; }

# jars puts what a pom names, and what that needs, into $to/lib.
jars() {
	installed "$1" && return
	rm -rf "$to/lib"
	mvn --batch-mode --quiet --file "$1" dependency:copy-dependencies -DoutputDirectory="$to/lib" -DincludeScope=runtime
	done_with "$1"
}

case $kind in
kafka) jars "$here/pom-kafka.xml" ;;
sqs) jars "$here/pom-sqs.xml" ;;
nats)
	installed "$here/../../go.mod" && exit
	(cd "$here" && go build -o "$to/nats-server" github.com/nats-io/nats-server/v2)
	done_with "$here/../../go.mod"
	;;
*)
	echo "$0: no broker $kind: kafka, sqs or nats" >&2
	exit 2
	;;
esac
