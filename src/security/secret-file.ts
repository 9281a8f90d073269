import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { MizanError } from '../errors.ts'

/** Read, write or execute for the group or for anyone. */
const OPEN_TO_OTHERS = 0o077
/** An RSA key of 8,192 bits in PEM takes under seven thousand. */
const BYTES_MAX = 16_384

/**
 * Reads a file that holds one secret, such as a key or a PIN: a regular file that only its owner may read.
 * @param what names the secret in messages: `the master key`
 * @returns its text without white space around it
 * @throws MizanError CONFIG_INVALID; its `cause` is the error of the file system when there is one
 */
export function readSecretFile(file: string, what: string): string {
  let descriptor: number
  try {
    // Not to wait for a writer, should it be a pipe. What is checked is what is read, whatever its name means later.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (cause) {
    throw unreadable(file, what, cause)
  }
  try {
    const status = fstatSync(descriptor)
    if (!status.isFile() || status.size > BYTES_MAX) {
      throw new MizanError('CONFIG_INVALID', `${file} is not a file with ${what} in it`)
    }
    if ((status.mode & OPEN_TO_OTHERS) !== 0) {
      throw new MizanError('CONFIG_INVALID', `the file of ${what}, ${file}, is open to others: chmod 600 it`)
    }
    return readFileSync(descriptor, 'utf8').trim()
  } catch (cause) {
    throw cause instanceof MizanError ? cause : unreadable(file, what, cause)
  } finally {
    closeSync(descriptor)
  }
}

function unreadable(file: string, what: string, cause: unknown): MizanError {
  return new MizanError('CONFIG_INVALID', `the file of ${what}, ${file}, cannot be read`, { cause })
}
