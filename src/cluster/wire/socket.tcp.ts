import { createServer, connect as dialTcp, isIP, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, connect as dialTls, type TLSSocket } from 'node:tls'
import type { Address, TransportTls } from './transport.ts'

/** A socket, and what both ends of its TLS session know of it once it is up: nothing without TLS. */
export type BoundSocket = { readonly socket: Socket; channelBinding(): Uint8Array }

/** Begins to connect; what is read from the socket has passed TLS if there is any. */
export type Dial = (address: Address) => BoundSocket

/** How to reach peers, inside TLS when it is configured. Throws when the parts of `tls` do not fit together. */
export function dialWith(tls: TransportTls | undefined): Dial {
  if (tls === undefined) return (address) => withoutTls(dialTcp(address))
  const options = tlsOptions(tls)
  return (address) => {
    const servername = isIP(address.host) === 0 ? { servername: address.host } : {}
    // Not the name in the certificate, but the handshake bound to this session tells who is at the other end.
    const checkServerIdentity = () => undefined
    return withTls(dialTls({ ...options, ...address, ...servername, checkServerIdentity }))
  }
}

/**
 * A server that hands over each connection twice: to `onRaw` when it has been accepted, and to `onReady` when TLS has
 * let it pass, or at once without TLS.
 */
export function serverWith(
  tls: TransportTls | undefined,
  onRaw: (socket: Socket) => void,
  onReady: (socket: BoundSocket) => void,
): Server {
  const server =
    tls === undefined
      ? createServer()
      : createTlsServer({ ...tlsOptions(tls), requestCert: true, rejectUnauthorized: true })
  server.on('connection', onRaw)
  if (tls === undefined) server.on('connection', (socket) => onReady(withoutTls(socket)))
  else server.on('secureConnection', (socket) => onReady(withTls(socket)))
  return server
}

function tlsOptions({ certificate, key, authority }: TransportTls) {
  const [cert, privateKey, ca] = [certificate, key, authority].map((pem) => Buffer.from(pem))
  return { cert, key: privateKey, ca, minVersion: 'TLSv1.3' } as const
}

function withoutTls(socket: Socket): BoundSocket {
  return { socket, channelBinding: () => new Uint8Array(0) }
}

function withTls(socket: TLSSocket): BoundSocket {
  return {
    socket,
    channelBinding: () => socket.exportKeyingMaterial(32, TLS_EXPORTER, Buffer.alloc(0)),
  }
}

/** RFC 9266, section 2. */
const TLS_EXPORTER = 'EXPORTER-Channel-Binding'
