import { mutate, type RandomBelow, randomNumbers } from '../../scripts/fuzz-codec.ts'
import { frameHeaderInto, framings } from '../../src/link/framing.ts'
import { contentOf, type LoadDialect, type LoadKind, placesOf } from '../../src/simulator/load-mix.ts'
import { framingOf, type MessageNumbers, MessageTemplate } from '../../src/simulator/load-template.ts'

/** Number of the run in DE37 of what is forged: no run of the load has it. */
const FORGED_RUN = 9_998
const kinds: Readonly<Record<LoadDialect, readonly Exclude<LoadKind, 'reversal'>[]>> = {
  'iso87-ascii': ['bread', 'ration', 'purchase', 'cash', 'inquiry'],
  'iso87-bcd': ['bread', 'ration', 'purchase', 'cash', 'inquiry'],
  'visa-base1': ['schemePurchase', 'cash'],
}
const FRAME_ROOM = 4_096
const STAN_SPAN = 1_000_000
const DAY_SECONDS = 86_400

/** Makes what a listener should never get, from what it gets every day. The same seed makes the same bytes. */
export class Forgery {
  readonly dialect: LoadDialect
  readonly below: RandomBelow
  readonly #templates: readonly MessageTemplate[]
  readonly #cards: number
  readonly #buffer = Buffer.alloc(FRAME_ROOM)
  #sequence = 0

  /** @param cards households of the world, whose card numbers are used */
  constructor(dialect: LoadDialect, cards: number, seed: number) {
    this.dialect = dialect
    this.below = randomNumbers(seed)
    this.#cards = cards
    this.#templates = kinds[dialect].flatMap((kind) =>
      placesOf(kind, dialect)
        .slice(0, 4)
        .map(
          (place) => new MessageTemplate({ dialect, place, content: contentOf(kind), run: FORGED_RUN, chip: false }),
        ),
    )
  }

  /** A well-formed frame; its card's check digit may be wrong. */
  genuine(): Buffer {
    this.#sequence += 1
    const { below } = this
    const template = this.#templates[below(this.#templates.length)] as MessageTemplate
    const second = below(DAY_SECONDS)
    const numbers: MessageNumbers = {
      householdId: 1 + below(this.#cards),
      checkDigit: below(10),
      transmission: 1_122_000_000 + clockDigits(second),
      localTime: clockDigits(second),
      localDate: 1_122,
      date: 261_122,
      stan: this.#sequence % STAN_SPAN,
      sequence: this.#sequence,
      originalStan: 0,
      originalTransmission: 0,
    }
    return Buffer.from(this.#buffer.subarray(0, template.write(this.#buffer, 0, numbers)))
  }

  /** A message with one to three changes, in a frame whose length is right. */
  mutated(): Buffer {
    const { headerBytes } = framings[framingOf[this.dialect]]
    return this.framed(mutate(this.genuine().subarray(headerBytes), this.below))
  }

  /** Random bytes in a frame whose length is right. */
  noiseFrame(): Buffer {
    return this.framed(this.noise(1 + this.below(700)))
  }

  /** A frame changed anywhere, its header not excepted. */
  torn(): Buffer {
    return mutate(this.genuine(), this.below)
  }

  noise(bytes: number): Buffer {
    const noise = Buffer.allocUnsafe(bytes)
    for (let at = 0; at < bytes; at++) noise[at] = this.below(256)
    return noise
  }

  /** A header that announces so many bytes. */
  header(length: number): Buffer {
    const framing = framings[framingOf[this.dialect]]
    const header = Buffer.alloc(framing.headerBytes)
    framing.writeLength(header, 0, length)
    return header
  }

  framed(body: Buffer): Buffer {
    const framing = framings[framingOf[this.dialect]]
    const length = Math.max(1, Math.min(body.length, framing.maxFrameBytes))
    const frame = Buffer.alloc(framing.headerBytes + length)
    body.copy(frame, frameHeaderInto(framing, frame, 0, length), 0, length)
    return frame
  }
}

function clockDigits(second: number): number {
  return Math.floor(second / 3_600) * 10_000 + (Math.floor(second / 60) % 60) * 100 + (second % 60)
}
