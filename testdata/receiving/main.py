# Lets the page's verify judge: lines of id|timestamp|signatures|base64 of the body come in, accepted or refused goes out.
import base64
import os
import sys

from receiver import verify

for line in sys.stdin:
    message_id, timestamp, signatures, body = line.rstrip("\n").split("|")
    headers = {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": signatures}
    print("accepted" if verify(os.environ["SECRET"], headers, base64.b64decode(body)) else "refused")
