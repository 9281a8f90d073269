/** What became of a request of the load. */
export const requestStates = { unsent: 0, sent: 1, approved: 2, declined: 3, refused: 4 } as const

/**
 * What the client knows of each of its requests, by sequence number from 1: typed arrays, some 30 bytes a request, so
 * that millions can be compared with the ledger afterwards.
 */
export class LoadRecord {
  readonly capacity: number
  /** One of {@link requestStates}. */
  readonly state: Uint8Array
  /** When the schedule meant it to be sent; milliseconds of performance.now(). */
  readonly intendedMs: Float64Array
  /** DE7 as a number. */
  readonly transmission: Int32Array
  readonly household: Uint32Array
  readonly template: Uint16Array
  /** DE39: two char codes, 0 without an answer. */
  readonly responseCode: Uint16Array
  /** DE38 in base 36. */
  readonly approvalCode: Uint32Array
  /** DE4 of the answer, piasters. */
  readonly amountPiasters: Uint32Array
  #last = 0

  constructor(capacity: number) {
    this.capacity = capacity
    const slots = capacity + 1
    this.state = new Uint8Array(slots)
    this.intendedMs = new Float64Array(slots)
    this.transmission = new Int32Array(slots)
    this.household = new Uint32Array(slots)
    this.template = new Uint16Array(slots)
    this.responseCode = new Uint16Array(slots)
    this.approvalCode = new Uint32Array(slots)
    this.amountPiasters = new Uint32Array(slots)
  }

  /** Sequence number of the last request made; 0 before the first. */
  get last(): number {
    return this.#last
  }

  get room(): number {
    return this.capacity - this.#last
  }

  /** Takes the next sequence number. */
  next(): number {
    this.#last += 1
    return this.#last
  }
}

/** DE39 as the record holds it. */
export function codeNumber(code: string): number {
  return code.charCodeAt(0) * 256 + code.charCodeAt(1)
}

/** DE39 as text. */
export function codeText(code: number): string {
  return String.fromCharCode(code >>> 8, code & 255)
}
