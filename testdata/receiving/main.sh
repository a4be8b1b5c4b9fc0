# Lets the page's verify judge: lines of id|timestamp|signatures|base64 of the body come in, accepted or refused goes out.
. ./receiver.sh
while IFS='|' read -r id timestamp signatures body; do
  printf %s "$body" | openssl base64 -d -A >body
  if verify "$SECRET" "$id" "$timestamp" "$signatures" body; then echo accepted; else echo refused; fi
done
