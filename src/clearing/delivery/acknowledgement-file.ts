import { readFile, stat } from 'node:fs/promises'
import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { MizanError } from '../../errors.ts'
import { findFile } from '../../store/clearing/files.ts'
import type { Client } from '../../store/connection.ts'
import { acknowledgeFile } from './acknowledge-step.ts'
import type { FileReceiver } from './inbox.ts'
import { type DeliveryOptions, destinationOf, partnerAt } from './options.ts'

const BYTES_MAX = 65_536

const shape = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 128 }),
    sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
    state: Type.Enum(['accepted', 'rejected']),
    reason: Type.Optional(Type.String({ maxLength: 500 })),
  },
  { additionalProperties: false },
)

/**
 * Takes an answer in our own format: JSON with `name` and `sha256` of the clear file, `state` accepted or rejected, and
 * a `reason`.
 * @param open gives the connection to work on
 */
export function acknowledgementReceiver(
  options: DeliveryOptions,
  open: <T>(work: (client: Client) => Promise<T>) => Promise<T>,
): FileReceiver {
  return async ({ path, name: source, partner, log }) => {
    if ((await stat(path)).size > BYTES_MAX) throw new MizanError('BAD_INPUT', `${source} is too long for an answer`)
    const said = parse(await readFile(path, 'utf8'), source)
    return open(async (client) => {
      const file = await findFile(client, said.name)
      if (file === undefined || file.direction !== 'out') {
        throw new MizanError('NOT_FOUND', `${source} answers for ${said.name}, which was never sent`)
      }
      const destination = destinationOf(file, options)
      if (destination === undefined || partnerAt(destination, file) !== partner) {
        throw new MizanError('FORBIDDEN', `${source}: ${partner} is not the receiver of ${said.name}`)
      }
      if (file.sha256?.toString('hex') !== said.sha256) {
        throw new MizanError('CONFLICT', `${source} is about other bytes of ${said.name} than were sent`)
      }
      const { state, reason } = said
      await acknowledgeFile(client, { fileId: file.id, name: file.name, state, source, ...(reason && { reason }) }, log)
      return `${said.name} is ${state}`
    })
  }
}

function parse(text: string, source: string) {
  try {
    const value: unknown = JSON.parse(text)
    if (Value.Check(shape, value)) return value
  } catch {
    // Said below.
  }
  throw new MizanError('BAD_INPUT', `${source} must be JSON with name, sha256, state (accepted or rejected) and reason`)
}
