import { connect } from 'node:net'

/** The bytes that came back over a connection, and the parsed first reply. */
export interface WireReply {
  text: string
  statusCode: number
  /** Bytes of the status line and the headers. */
  headerBytes: number
  /** The values of a header, by its lower-case name. */
  values: (name: string) => string[]
  body: string
}

/** Sends bytes over a new connection, and reads until the server ends it or has sent nothing for `quiet` milliseconds. */
export function sendRaw (port: number, bytes: string | Iterable<string>, quiet = 2_000): Promise<WireReply> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = connect({ port, host: '127.0.0.1' })
    const end = () => {
      socket.destroy()
      resolve(parseReply(Buffer.concat(chunks).toString('latin1')))
    }
    socket.setTimeout(quiet, end)
    socket.on('data', chunk => {
      chunks.push(chunk)
      if (isWhole(Buffer.concat(chunks).toString('latin1'))) end()
    })
    socket.on('close', end)
    socket.on('error', error => { if (chunks.length === 0) reject(error); else end() })
    const parts = (typeof bytes === 'string' ? [bytes] : bytes)[Symbol.iterator]()
    const write = () => {
      for (let part = parts.next(); !part.done; part = parts.next()) {
        if (socket.destroyed) return
        if (!socket.write(part.value, 'latin1')) {
          socket.once('drain', write)
          return
        }
      }
    }
    write()
  })
}

/** A request as text. */
export function requestText (method: string, target: string, headers: ReadonlyArray<readonly [string, string]> = [], body = ''): string {
  const all = [['host', 'shop.example'], ['accept', 'application/json'], ['connection', 'close'], ...headers]
  return `${method} ${target} HTTP/1.1\r\n${all.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`
}

function isWhole (text: string): boolean {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return false
  const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, end))?.[1]
  return length !== undefined && text.length >= end + 4 + Number(length)
}

function parseReply (text: string): WireReply {
  const end = text.indexOf('\r\n\r\n')
  const head = text.slice(0, end === -1 ? text.length : end)
  const lines = head.split('\r\n').slice(1).map(line => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()] as const)
  return {
    text,
    statusCode: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? NaN),
    headerBytes: end === -1 ? text.length : end + 4,
    values: name => lines.filter(([key]) => key === name).map(([, value]) => value),
    body: end === -1 ? '' : text.slice(end + 4)
  }
}
