/**
 * The catalogue of failures. A decline is not here: declines are values (`authorization/result.ts`). What is here is
 * what stops a piece of work: each entry says what happened, the DE39 a caller on a link gets, the HTTP status a caller
 * of the API gets, and whether the same request may succeed later. `docs/errors.md` is checked against this table.
 */
export const errorCatalogue = {
  CONFIG_INVALID: entry('the configuration does not pass validation', '96', 500, false),
  PROGRAMME_INVALID: entry('a programme does not pass validation', '96', 422, false),
  CODEC_DIALECT_INVALID: entry('a dialect table is not valid', '96', 500, false),
  CODEC_DECODE_FAILED: entry('a message does not follow its dialect', '30', 400, false),
  CODEC_ENCODE_FAILED: entry('a value does not fit its field', '96', 500, false),
  FRAME_INVALID: entry('bytes on a link cannot be framed', '30', 400, false),
  LINK_CLOSED: entry('the link is closed', '91', 503, true),
  LINK_BUSY: entry('the link or the lane has no room for another request', '91', 503, true),
  LINK_TIMEOUT: entry('no answer came in time', '91', 504, true),
  LINK_DUPLICATE_KEY: entry('a request with this matching key is already in flight', '94', 409, false),
  STORE_UNAVAILABLE: entry('the database cannot be reached', '91', 503, true),
  STORE_MIGRATION_FAILED: entry('a migration cannot be applied', '96', 500, false),
  STORE_SCHEMA_MISMATCH: entry('the database was made by another version of the program', '96', 500, false),
  STORE_REJECTED: entry('the database refused a row', '96', 500, false),
  DATABASE_START_FAILED: entry('the embedded database cannot be started', '91', 500, true),
  DISK_FULL: entry('there is no room on the disk', '96', 500, true),
  BACKUP_FAILED: entry('a backup cannot be made', '96', 500, true),
  RESTORE_FAILED: entry('a backup cannot be restored', '96', 500, false),
  LANE_FENCED: entry('another writer has taken the lane over', '91', 503, true),
  LANE_STOPPED: entry('the lane takes no more work', '91', 503, true),
  WRITER_SILENT: entry('nobody carries commands out: no switch runs on this database', '91', 503, true),
  BACKGROUND_ENDED: entry('the process that did this work ended before it was done', '96', 503, true),
  ASSERTION_FAILED: entry('an internal invariant does not hold', '96', 500, false),
  NOT_FOUND: entry('there is no such record', '25', 404, false),
  BAD_INPUT: entry('the input is not valid', '30', 400, false),
  UNAUTHENTICATED: entry('nobody is logged in, or the name, password, token or key is not right', '96', 401, false),
  FORBIDDEN: entry('this is not open to the roles of the caller', '96', 403, false),
  PASSWORD_CHANGE_REQUIRED: entry(
    'the password was set by another person and has to be changed first',
    '96',
    403,
    false,
  ),
  CONFLICT: entry('it does not go with how things stand', '96', 409, false),
  REQUEST_IN_PROGRESS: entry('a request with this idempotency key is under way', '96', 409, true),
  IDEMPOTENCY_MISMATCH: entry('this idempotency key was used for another request', '96', 422, false),
  COMMAND_REFUSED: entry('the switch refused the command', '96', 422, false),
  TOO_MANY_REQUESTS: entry('too many requests at once', '96', 429, true),
  CRYPTO_REFUSED: entry('a cryptographic check failed or a key may not be used so', '96', 422, false),
  SELF_TEST_FAILED: entry('the cryptographic self-test failed; nothing is served', '96', 500, false),
  DEMO_REFUSED: entry('demo data and keys are refused in production', '96', 403, false),
} as const satisfies Record<string, ErrorEntry>

/** One entry of the catalogue. */
export interface ErrorEntry {
  readonly summary: string
  /** ISO 8583 DE39 of the answer to a request that fails this way. */
  readonly responseCode: string
  readonly httpStatus: number
  readonly retryable: boolean
}

export type ErrorCode = keyof typeof errorCatalogue

function entry(summary: string, responseCode: string, httpStatus: number, retryable: boolean): ErrorEntry {
  return { summary, responseCode, httpStatus, retryable }
}

/** A failure from the catalogue. `message` is safe to log: it never holds a PAN, track, PIN block or key. */
export class MizanError extends Error {
  override readonly name = 'MizanError'
  readonly code: ErrorCode

  /**
   * @param code entry of {@link errorCatalogue}
   * @param detail what is particular to this occurrence; free of cardholder data
   */
  constructor(code: ErrorCode, detail?: string, options?: { cause?: unknown }) {
    super(detail === undefined ? errorCatalogue[code].summary : `${errorCatalogue[code].summary}: ${detail}`, options)
    this.code = code
  }

  get entry(): ErrorEntry {
    return errorCatalogue[this.code]
  }
}

/** A CONFLICT that passes: another process is at the same work, and whoever can wait tries again when that is done. */
export class TurnTaken extends MizanError {
  /** @param detail who has the turn, or how to see how far it is */
  constructor(detail: string) {
    super('CONFLICT', detail)
  }
}

/**
 * An assertion that stays on in production. A failed one means the program itself is wrong; the caller's unit of work
 * stops with ASSERTION_FAILED and nothing of it is posted.
 */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new MizanError('ASSERTION_FAILED', what)
}

/** The text of anything thrown, for logs and one-line messages. */
export function describeError(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(describeError).join('; ')
  if (error instanceof Error) return error.message
  // The queue of jobs hands on copies of errors, which are plain objects.
  const { message } = (error ?? {}) as { readonly message?: unknown }
  return typeof message === 'string' ? message : String(error)
}
