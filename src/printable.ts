/** Characters of a foreign text that an error line shows. */
const SHOWN_MAX = 40

/**
 * Bytes or text of somebody else's file as an error line may show them: one line, what does not print escaped, and no more than its
 * beginning. A terminal or a log does what control characters say.
 */
export function printable(text: string, max = SHOWN_MAX): string {
  const cut = text.length > max ? `${text.slice(0, max)}…` : text
  return cut.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, (one) => {
    const code = one.codePointAt(0) ?? 0
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`
  })
}
