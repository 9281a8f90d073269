import { MizanError } from '../errors.ts'
import { hashSecret, verifySecret } from '../security/keys/custodian-secret.ts'

/** Password hashes that are computed at once, and those that may wait: each takes a tenth of a second and 32 MiB. */
const AT_ONCE = 2
const WAITING_MAX = 16

/**
 * Hashes and compares passwords, a few at a time: a flood of logins must not take the machine from the lanes.
 */
class PasswordDesk {
  #running = 0
  readonly #waiting: (() => void)[] = []

  /** @throws MizanError TOO_MANY_REQUESTS when too many wait already */
  async #turn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= AT_ONCE) {
      if (this.#waiting.length >= WAITING_MAX) throw new MizanError('TOO_MANY_REQUESTS')
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    this.#running++
    try {
      return await work()
    } finally {
      this.#running--
      this.#waiting.shift()?.()
    }
  }

  /** Whether a password is the one that was hashed; false, after the same time, where there is no hash. */
  verify(stored: string | undefined, password: string): Promise<boolean> {
    return this.#turn(() => verifySecret(stored, Buffer.from(password)))
  }

  /** Hash of a new password. @throws MizanError BAD_INPUT when it is too short or too long */
  hash(password: string): Promise<string> {
    return this.#turn(() => hashSecret(Buffer.from(password)))
  }
}

/** The one desk of this process. */
export const passwords = new PasswordDesk()
