import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { UPLOAD_MAX_BYTES, uploadTypes } from './upload.ts'

/** How long a request may take to arrive. */
export interface ArrivalLimits {
  /** Its head. */
  readonly headersMs: number
  /** A body that is no file, as a whole. */
  readonly bodyMs: number
  /** From one part of a body to the next. */
  readonly idleMs: number
  /** A file, as a whole. */
  readonly fileMs: number
}

/** Slower than any line that somebody would send the largest file over. */
const SLOWEST_BYTES_PER_S = 131_072
/** Looks in the shortest of the times. */
const LOOKS = 4

/** Half a minute for whatever is small; a file may take its time, as long as it goes on. */
export const arrivalLimits: ArrivalLimits = {
  headersMs: 30_000,
  bodyMs: 30_000,
  idleMs: 30_000,
  fileMs: (UPLOAD_MAX_BYTES / SLOWEST_BYTES_PER_S) * 1_000,
}

/**
 * Ends connections whose body does not arrive in time. Node knows one time for every request, which either cuts a large file
 * off or lets anybody hold a connection as long as a large file takes; and none for a body that stands still.
 */
export function watchArrival(server: Server, limits: ArrivalLimits): void {
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { headers } = request
    if (headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0) return
    const type = headers['content-type']?.split(';')[0]?.trim().toLowerCase()
    const wholeMs = uploadTypes.some((one) => one === type) ? limits.fileMs : limits.bodyMs
    watchBody(request, response, { wholeMs, idleMs: limits.idleMs })
  })
}

function watchBody(
  request: IncomingMessage,
  response: ServerResponse,
  { wholeMs, idleMs }: { readonly wholeMs: number; readonly idleMs: number },
): void {
  const { socket } = request
  const beganMs = performance.now()
  let read = { bytes: socket.bytesRead, atMs: beganMs }
  // Looked at from aside: to listen to the data would begin to read it before there is somebody to take it. An answer does not
  // end it: what was refused goes on arriving all the same.
  const timer = setInterval(
    () => {
      const nowMs = performance.now()
      if (socket.bytesRead !== read.bytes) read = { bytes: socket.bytesRead, atMs: nowMs }
      const isLate = nowMs - read.atMs > idleMs || nowMs - beganMs > wholeMs
      if (!request.complete && !socket.destroyed && !isLate) return
      clearInterval(timer)
      if (request.complete || socket.destroyed) return
      if (!response.headersSent) socket.write('HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n')
      socket.destroySoon()
    },
    Math.ceil(Math.min(idleMs, wholeMs) / LOOKS),
  )
  timer.unref()
  socket.once('close', () => clearInterval(timer))
}
