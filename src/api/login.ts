import { MizanError } from '../errors.ts'
import { hashSecret, verifySecret } from '../security/keys/custodian-secret.ts'
import type { Queryable } from '../store/access-pool.ts'
import { type LoginRecord, noteWrongPassword, readLogin, takeRightPassword } from '../store/access-users.ts'

/** Password hashes that are computed at once, and those that may wait: each takes a tenth of a second and 32 MiB. */
const AT_ONCE = 2
const WAITING_MAX = 16

/**
 * Hashes and compares passwords, a few at a time: a flood of logins must not take the machine from the lanes.
 */
export class PasswordDesk {
  #running = 0
  readonly #waiting: (() => void)[] = []

  /** Does work when its turn has come. @throws MizanError TOO_MANY_REQUESTS when too many wait already */
  async turn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < AT_ONCE) this.#running++
    else {
      if (this.#waiting.length >= WAITING_MAX) throw new MizanError('TOO_MANY_REQUESTS')
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      // A place goes from hand to hand: given back and taken again, somebody who comes in between would have it too.
      if (next === undefined) this.#running--
      else next()
    }
  }

  /**
   * Compares a password with that of a name, and counts it when it is wrong. All of it is within one turn: whoever waits is
   * compared under what those before have left, so that guesses that are sent at once are locked out as those one by one.
   * The same time is taken where there is no such name.
   * @returns the user as read then, if there is one, and whether the password is right and counts
   */
  check(
    client: Queryable,
    name: string,
    password: string,
  ): Promise<{ readonly login: LoginRecord | undefined; readonly isRight: boolean }> {
    return this.turn(async () => {
      const login = await readLogin(client, name)
      const isSame = await verifySecret(login?.passwordHash, Buffer.from(password))
      if (login === undefined) return { login, isRight: false }
      if (!isSame) await noteWrongPassword(client, login.name)
      return { login, isRight: isSame && !login.isLocked && (await takeRightPassword(client, login.name)) }
    })
  }

  /** Hash of a new password. @throws MizanError BAD_INPUT when it is too short or too long */
  hash(password: string): Promise<string> {
    return this.turn(() => hashSecret(Buffer.from(password)))
  }
}

/** The one desk of this process. */
export const passwords = new PasswordDesk()
