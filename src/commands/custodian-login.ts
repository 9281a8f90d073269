import { MizanError } from '../errors.ts'
import { verifySecret } from '../security/keys/custodian-secret.ts'
import type { Client } from '../store/connection.ts'
import { readSecretHash } from '../store/custodian-store.ts'
import { noteKeyEvent } from '../store/key-store.ts'
import type { CommandIo } from './command-io.ts'
import { authorOf } from './keys-desk.ts'
import type { LineInput } from './line-input.ts'

/** How often a person may try; lines of a pipe are what they are. */
const TRIES = 3

/**
 * Does what may fail by a slip of the pen: a person is told and asked again, a pipe is not.
 * @throws MizanError of the last try
 */
export async function withTries<T>(io: CommandIo, input: LineInput, work: () => Promise<T>): Promise<T> {
  for (let left = input.interactive ? TRIES : 1; ; left--) {
    try {
      return await work()
    } catch (error) {
      const isSlip = error instanceof MizanError && (error.code === 'BAD_INPUT' || error.code === 'CRYPTO_REFUSED')
      if (left <= 1 || !isSlip || !input.open) throw error
      io.note(`${error.message}\n`)
    }
  }
}

/**
 * Lets a custodian log in with name and secret; a refusal is noted.
 * @param input asks the person
 * @param what the prompt names the occasion by
 * @param excluded custodians who may not be the one
 * @returns the name
 * @throws MizanError CRYPTO_REFUSED, the same for an unknown name, a disabled custodian and a wrong secret
 */
export async function logIn(
  io: CommandIo,
  client: Client,
  input: LineInput,
  what: string,
  excluded: readonly string[] = [],
): Promise<string> {
  const name = await input.ask(`custodian ${what}: `)
  const secret = await input.askSecret('secret: ')
  try {
    if (excluded.includes(name)) throw new MizanError('CRYPTO_REFUSED', 'it must be another custodian each time')
    const stored = /^[a-z0-9._-]{1,32}$/.test(name) ? await readSecretHash(client, name) : undefined
    if (await verifySecret(stored, secret)) return name
    // What was typed may be a secret in the wrong place: only a name that is one is written down.
    const noted = stored === undefined ? '(unknown)' : name
    await noteKeyEvent(client, { action: 'custodian-refused', name: noted }, authorOf(io, [], what))
    throw new MizanError('CRYPTO_REFUSED', 'there is no such custodian, or the secret is wrong')
  } finally {
    secret.fill(0)
  }
}
