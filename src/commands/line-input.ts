import { MizanError } from '../errors.ts'

/** Longest line that is taken, in bytes. */
const LINE_MAX = 1_024
/** How long a person may think. */
const IDLE_MS = 300_000
const ENDED = 'the input has ended, and an answer is missing'

const CTRL_C = 0x03
const CTRL_D = 0x04
const BACKSPACE = 0x08
const NEWLINE = 0x0a
const RETURN = 0x0d
const CTRL_U = 0x15
const DELETE = 0x7f
const SPACE = 0x20

/** The part of a standard stream that is used here; a terminal has `setRawMode`. */
export interface InputStream {
  readonly isTTY?: boolean
  setRawMode?(on: boolean): unknown
  on(event: 'data', listener: (chunk: Buffer) => void): unknown
  on(event: 'end', listener: () => void): unknown
  removeAllListeners(event: 'data' | 'end'): unknown
  resume(): unknown
  pause(): unknown
}

/**
 * Questions to the person at the terminal, or lines of a pipe. A terminal is read key by key, so that nothing typed is
 * ever shown unless asked for. Lines are bytes that the caller can wipe, not texts.
 */
export class LineInput {
  /** Whether a person answers, who may be asked again. */
  readonly interactive: boolean
  readonly #stream: InputStream
  readonly #show: (text: string) => void
  readonly #line = Buffer.alloc(LINE_MAX)
  #length = 0
  /** What came behind the end of the last line. */
  #rest: Buffer = Buffer.alloc(0)
  #ended = false
  #interrupted = false
  #echo = false
  #wanting: { resolve(line: Buffer): void; reject(error: unknown): void; timer: NodeJS.Timeout } | undefined

  /** @param show where prompts and typed letters go */
  constructor(
    stream: InputStream = process.stdin,
    show: (text: string) => void = (text) => process.stderr.write(text),
  ) {
    this.#stream = stream
    this.#show = show
    this.interactive = stream.isTTY === true
    if (this.interactive) stream.setRawMode?.(true)
    stream.on('data', (chunk) => this.#take(chunk))
    stream.on('end', () => {
      this.#ended = true
      this.#end()
    })
    stream.pause()
  }

  /** Whether more answers can come. */
  get open(): boolean {
    return !this.#ended && !this.#interrupted
  }

  /** Asks for a line that may be seen. @throws MizanError BAD_INPUT when none comes */
  async ask(prompt: string): Promise<string> {
    const line = await this.#next(prompt, true)
    return line.toString('utf8').trim()
  }

  /** Asks for a line that nobody may see; the caller wipes it. @throws MizanError BAD_INPUT when none comes */
  async askSecret(prompt: string): Promise<Buffer> {
    return this.#next(prompt, false)
  }

  /** Gives the stream back. */
  close(): void {
    this.#stream.removeAllListeners('data')
    this.#stream.removeAllListeners('end')
    if (this.interactive) this.#stream.setRawMode?.(false)
    this.#stream.pause()
    this.#line.fill(0)
    this.#rest.fill(0)
  }

  #next(prompt: string, echo: boolean): Promise<Buffer> {
    if (this.interactive) this.#show(prompt)
    this.#echo = echo && this.interactive
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#interrupted = true
        this.#fail('no answer came in five minutes')
      }, IDLE_MS)
      this.#wanting = { resolve, reject, timer }
      const rest = this.#rest
      this.#rest = Buffer.alloc(0)
      this.#take(rest)
      if (this.#wanting === undefined) return
      if (this.#ended) this.#end()
      else this.#stream.resume()
    })
  }

  #take(chunk: Buffer): void {
    for (const [at, byte] of chunk.entries()) {
      if (this.#wanting === undefined) {
        this.#rest = Buffer.concat([this.#rest, chunk.subarray(at)])
        break
      }
      this.#key(byte)
    }
    chunk.fill(0)
  }

  #key(byte: number): void {
    if (byte === NEWLINE || byte === RETURN) {
      this.#deliver()
    } else if (this.interactive && byte === CTRL_C) {
      this.#interrupted = true
      this.#fail('interrupted')
    } else if (this.interactive && byte === CTRL_D) {
      this.#ended = true
      this.#fail(ENDED)
    } else if (this.interactive && (byte === DELETE || byte === BACKSPACE)) {
      this.#erase(1)
    } else if (this.interactive && byte === CTRL_U) {
      this.#erase(this.#length)
    } else if (byte >= SPACE && this.#length < LINE_MAX) {
      this.#line[this.#length++] = byte
      if (this.#echo) this.#show(String.fromCharCode(byte))
    }
  }

  #erase(count: number): void {
    const erased = Math.min(count, this.#length)
    this.#length -= erased
    this.#line.fill(0, this.#length)
    if (this.#echo) this.#show('\b \b'.repeat(erased))
  }

  /** A last line may lack its end. */
  #end(): void {
    if (this.#length > 0) this.#deliver()
    else this.#fail(ENDED)
  }

  #deliver(): void {
    const line = Buffer.alloc(this.#length)
    this.#line.copy(line, 0, 0, this.#length)
    const wanting = this.#settle()
    if (wanting !== undefined && this.interactive) this.#show('\n')
    wanting?.resolve(line)
  }

  #fail(reason: string): void {
    const wanting = this.#settle()
    if (wanting !== undefined && this.interactive) this.#show('\n')
    wanting?.reject(new MizanError('BAD_INPUT', reason))
  }

  #settle(): { resolve(line: Buffer): void; reject(error: unknown): void } | undefined {
    const wanting = this.#wanting
    this.#wanting = undefined
    this.#line.fill(0)
    this.#length = 0
    if (wanting === undefined) return undefined
    clearTimeout(wanting.timer)
    this.#stream.pause()
    return wanting
  }
}

/**
 * Bytes of a line of hex digits, blanks between them ignored, without a text in between that could not be wiped.
 * @throws MizanError BAD_INPUT when it is not whole bytes of hex
 */
export function hexOfLine(line: Uint8Array): Buffer {
  const bytes = Buffer.alloc(Math.ceil(line.length / 2))
  let digits = 0
  for (const character of line) {
    if (character === SPACE) continue
    const value = hexValue(character)
    if (value < 0) {
      bytes.fill(0)
      throw new MizanError('BAD_INPUT', 'a component is hex digits')
    }
    bytes[digits >> 1] = ((bytes[digits >> 1] ?? 0) << 4) | value
    digits++
  }
  if (digits % 2 === 0) return bytes.subarray(0, digits / 2)
  bytes.fill(0)
  throw new MizanError('BAD_INPUT', 'a component is an even number of hex digits')
}

function hexValue(character: number): number {
  if (character >= 0x30 && character <= 0x39) return character - 0x30
  const letter = character | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}
