import { MizanError } from '../errors.ts'
import { hashSecret } from '../security/keys/custodian-secret.ts'
import { equalSecret, wipe } from '../security/primitives/secrets.ts'
import { readSecretFile } from '../security/secret-file.ts'
import { isRole, type Role, requireAccessTables, roles } from '../store/access-users.ts'
import { type AuditEvent, noteAudit } from '../store/audit-store.ts'
import type { Client } from '../store/connection.ts'
import type { MasterDataAuthor } from '../store/outlet-record.ts'
import { inTransaction } from '../store/transaction.ts'
import type { CommandIo } from './command-io.ts'
import type { CommonOptions } from './common-options.ts'
import { withTries } from './custodian-login.ts'
import { atDatabase, type DatabaseDesk } from './database-desk.ts'
import { authorOf } from './keys-desk.ts'
import type { LineInput } from './line-input.ts'

/** Characters of a name in a history or the audit. */
const ACTOR_MAX = 64

/** Opens the database for a command on access, does the work, and closes it. */
export async function atAccess(
  io: CommandIo,
  options: CommonOptions,
  work: (desk: DatabaseDesk) => Promise<void>,
): Promise<void> {
  await atDatabase(io, options, 'mizan access', async (desk) => {
    await requireAccessTables(desk.client)
    await work(desk)
  })
}

/** In whose name a command acts, as it stands in the audit. */
export function systemActor(io: CommandIo): string {
  return `system:${authorOf(io).user}`.slice(0, ACTOR_MAX)
}

/** Who asks and who agreed, as one name of a history: the second one whole, for the audit tells who asked. */
export function nameOfTwo(first: string, second: string): string {
  const agreed = ` + ${second}`
  return first.slice(0, ACTOR_MAX - agreed.length) + agreed
}

/** In whose name master data is changed at a command, with its event in the audit. */
export function notedAs(actor: string): Required<MasterDataAuthor> {
  return {
    actor,
    audit: (client, { action, target, detail }) =>
      noteAudit(client, {
        ...{ actor, source: 'local', requestId: '', action, outcome: 'done' },
        detail: { target, ...detail },
      }),
  }
}

/** Changes something and notes it, together. */
export async function changeNoted<T>(
  io: CommandIo,
  client: Client,
  event: Pick<AuditEvent, 'action' | 'detail' | 'households'>,
  work: () => Promise<T>,
): Promise<T> {
  return inTransaction(client, async () => {
    const result = await work()
    await noteAudit(client, { ...event, actor: systemActor(io), source: 'local', requestId: '', outcome: 'done' })
    return result
  })
}

/** Reads names of roles, each given by an option or several in one with commas. @throws MizanError BAD_INPUT */
export function parseRoles(texts: readonly string[]): Role[] {
  const named = texts.flatMap((text) => text.split(',')).map((text) => text.trim())
  const unknown = named.find((name) => !isRole(name))
  if (named.length === 0 || unknown !== undefined) {
    throw new MizanError('BAD_INPUT', `${unknown ?? 'nothing'} is no role: ${roles.join(', ')}`)
  }
  return [...new Set(named.filter(isRole))]
}

/**
 * Hash of a new password: from a file that only its owner may read, or typed twice, unseen; a pipe gives one line.
 * @throws MizanError BAD_INPUT when it is too short, or the two are not the same
 */
export async function newPasswordHash(io: CommandIo, file: string | undefined): Promise<string> {
  if (file !== undefined) return hashSecret(Buffer.from(readSecretFile(file, 'the password')))
  const input = io.openInput()
  try {
    return await withTries(io, input, () => askTwice(input))
  } finally {
    input.close()
  }
}

async function askTwice(input: LineInput): Promise<string> {
  const password = await input.askSecret('password: ')
  try {
    if (input.interactive) {
      const again = await input.askSecret('password, once more: ')
      const isSame = equalSecret(password, again)
      wipe(again)
      if (!isSame) throw new MizanError('BAD_INPUT', 'the two are not the same')
    }
    return await hashSecret(password)
  } finally {
    wipe(password)
  }
}
