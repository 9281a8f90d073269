/** One line of a file, as bytes. */
export interface FileLine {
  /** From 1. */
  readonly number: number
  /** Without its end; undefined for a line that is longer than allowed, of which nothing is kept. */
  readonly bytes: Buffer | undefined
}

const NEWLINE = 0x0a
const RETURN = 0x0d

/**
 * Cuts a stream of bytes into lines. Memory is bounded by one chunk and one line, whatever the size of the file. A last
 * line without an end is a line too; `\r\n` ends a line like `\n`.
 * @param lineMaxBytes a longer line is given without its bytes
 */
export async function* splitLines(
  chunks: AsyncIterable<Uint8Array>,
  lineMaxBytes: number,
): AsyncGenerator<FileLine, void, undefined> {
  let parts: Buffer[] = []
  let length = 0
  let number = 0
  const take = (part: Buffer): void => {
    length += part.length
    // Of a line that is too long only the length is kept.
    if (length > lineMaxBytes) parts = []
    else if (part.length > 0) parts.push(part)
  }
  const end = (): FileLine => {
    const whole = length > lineMaxBytes ? undefined : withoutReturn(joined(parts))
    parts = []
    length = 0
    number++
    return { number, bytes: whole }
  }
  for await (const chunk of chunks) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    let from = 0
    for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, from)) {
      take(bytes.subarray(from, at))
      yield end()
      from = at + 1
    }
    // A copy: the stream may use the chunk's memory again, and a small rest must not keep a large chunk alive.
    if (from < bytes.length) take(Buffer.from(bytes.subarray(from)))
  }
  if (length > 0) yield end()
}

function joined(parts: readonly Buffer[]): Buffer {
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts)
}

function withoutReturn(line: Buffer): Buffer {
  return line.at(-1) === RETURN ? line.subarray(0, -1) : line
}
