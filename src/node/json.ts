import type { ServerResponse } from 'node:http'

/** Answers with the value as a JSON document; without a body for HEAD. */
export function sendJson(
  response: ServerResponse,
  status: number,
  value: object,
  method?: string,
): void {
  const text = JSON.stringify(value)
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
  })
  response.end(method === 'HEAD' ? undefined : text)
}
