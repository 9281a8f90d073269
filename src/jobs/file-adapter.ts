import { type FileHandle, mkdir, open } from 'node:fs/promises'
import path from 'node:path'
import { type Clock, civilDate, formatDate } from '../calendar.ts'
import type { NotificationAdapter, OutboundMessage, SendResult } from './adapter.ts'

/** Only its owner may read it: it holds mobile numbers. */
const FILE_MODE = 0o600
const FOLDER_MODE = 0o700

/**
 * Appends messages to a file a day (Cairo): one JSON object a line, on disk when it counts as sent. A line is written
 * whole or not at all.
 * @param folder is made when it is missing
 */
export function fileAdapter(folder: string, clock: Clock): NotificationAdapter {
  let current: { readonly day: string; readonly handle: FileHandle; size: number } | undefined
  let last: Promise<unknown> = Promise.resolve()
  const close = async () => {
    await current?.handle.close().catch(() => undefined)
    current = undefined
  }
  const append = async (message: OutboundMessage): Promise<SendResult> => {
    const nowMs = clock.now()
    const day = formatDate(civilDate(nowMs))
    try {
      if (current?.day !== day) {
        await close()
        current = { day, ...(await openFile(folder, day)) }
      }
      const { createdAtMs, ...rest } = message
      const times = { createdAt: new Date(createdAtMs).toISOString(), sentAt: new Date(nowMs).toISOString() }
      const line = Buffer.from(`${JSON.stringify({ ...rest, ...times })}\n`)
      const { handle, size } = current
      await handle.writeFile(line).catch(async (error: unknown) => {
        await handle.truncate(size)
        throw error
      })
      await handle.datasync()
      current.size = size + line.length
      return { kind: 'sent', reference: `${day}:${size}` }
    } catch (error) {
      await close()
      return { kind: 'retry', error: String((error as { code?: unknown }).code ?? 'the file cannot be written') }
    }
  }
  return {
    name: 'file',
    send(message) {
      const next = last.then(() => append(message))
      last = next
      return next
    },
    async close() {
      await last
      await close()
    },
  }
}

/** Opens the file of a day for appending; half a line that a crash left is ended first. */
async function openFile(folder: string, day: string): Promise<{ handle: FileHandle; size: number }> {
  await mkdir(folder, { recursive: true, mode: FOLDER_MODE })
  const handle = await open(path.join(folder, `notifications-${day}.ndjson`), 'a+', FILE_MODE)
  try {
    const { size } = await handle.stat()
    if (size === 0) return { handle, size }
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1)
    if (buffer[0] === '\n'.charCodeAt(0)) return { handle, size }
    await handle.writeFile('\n')
    return { handle, size: size + 1 }
  } catch (error) {
    await handle.close()
    throw error
  }
}
