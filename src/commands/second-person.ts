import { MizanError } from '../errors.ts'
import { verifySecret } from '../security/keys/custodian-secret.ts'
import { wipe } from '../security/primitives/secrets.ts'
import {
  noteLogin,
  noteWrongPassword,
  type Role,
  readLogin,
  requireConfirmed,
  takeRightPassword,
} from '../store/access-users.ts'
import type { Client } from '../store/connection.ts'
import type { CommandIo } from './command-io.ts'
import { withTries } from './custodian-login.ts'
import { authorOf } from './keys-desk.ts'

const LOCKED = 'mizan user list shows who may log in, and who is locked'

/** What the second person is asked for, and who it may be. */
export interface SecondPerson {
  /** Such as `user who publishes`. */
  readonly prompt: string
  readonly roles: readonly Role[]
  /** What it is that these roles may do, such as `publishing`. */
  readonly what: string
}

/**
 * Lets a second person log in at a command: a user of the API, by name and password, with one of the roles, and of
 * another name than the account of the operating system under which the command runs.
 * @returns the actor, as it stands in the audit
 * @throws MizanError UNAUTHENTICATED, FORBIDDEN, PASSWORD_CHANGE_REQUIRED
 */
export async function logInSecondPerson(io: CommandIo, client: Client, wanted: SecondPerson): Promise<string> {
  const input = io.openInput()
  try {
    return await withTries(io, input, async () => {
      const name = await input.ask(`${wanted.prompt}: `)
      const password = await input.askSecret('password: ')
      const record = await readLogin(client, name)
      const isRight = await verifySecret(record?.isLocked === false ? record.passwordHash : undefined, password)
      wipe(password)
      if (record === undefined || !isRight) {
        if (record?.isLocked === false) await noteWrongPassword(client, name)
        throw new MizanError('UNAUTHENTICATED', LOCKED)
      }
      if (record.mustChange) throw new MizanError('PASSWORD_CHANGE_REQUIRED')
      // Also who it was before `sudo`.
      if (
        authorOf(io)
          .user.split(/[\s()]+/)
          .includes(name)
      ) {
        throw new MizanError('FORBIDDEN', `${name} asks for it: another person agrees`)
      }
      await requireConfirmed(client, name)
      if (!record.roles.some((role) => wanted.roles.includes(role))) {
        throw new MizanError('FORBIDDEN', `${wanted.what} is for ${wanted.roles.join(' and ')}`)
      }
      if (!(await takeRightPassword(client, name))) throw new MizanError('UNAUTHENTICATED', LOCKED)
      await noteLogin(client, name)
      return `user:${name}`
    })
  } finally {
    input.close()
  }
}
