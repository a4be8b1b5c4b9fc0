// Lets the page's verify judge: lines of id|timestamp|signatures|base64 of the body come in, accepted or refused goes out.
import { createInterface } from "node:readline";
import { verify } from "./receiver.mjs";

for await (const line of createInterface({ input: process.stdin })) {
  const [id, timestamp, signatures, body] = line.split("|");
  const headers = { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures };
  console.log(verify(process.env.SECRET, headers, Buffer.from(body, "base64")) ? "accepted" : "refused");
}
