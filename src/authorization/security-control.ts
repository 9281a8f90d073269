/** What DE53 says of a PIN block under a zone key. */
export interface PinControl {
  /** ISO 9564-1 format. */
  readonly format: 0 | 3 | 4
  /** Which of the link's zone keys, from 1. */
  readonly keyIndex: number
}

/** Positions 1 to 4: encrypted under a zone key, by DES (or the cipher of that key). */
const ZONE_ENCRYPTED = '2001'
/** Positions 5 and 6. */
const formats: Readonly<Record<string, PinControl['format']>> = { '01': 0, '03': 3, '04': 4 }

/** DE53 of a message; one of zeros alone says nothing, as if it were not there. */
export function securityControlOf(text: string | undefined): string | undefined {
  return text === undefined || /^0*$/.test(text) ? undefined : text
}

/**
 * Reads DE53 (visa-base1.md, section 3): security format 20, algorithm 01, PIN block format, key index; what follows is not
 * looked at.
 * @returns undefined for what no PIN block here is under
 */
export function pinControlOf(text: string): PinControl | undefined {
  const format = formats[text.slice(4, 6)]
  if (!/^\d{16}$/.test(text) || !text.startsWith(ZONE_ENCRYPTED) || format === undefined) return undefined
  return { format, keyIndex: Number(text.slice(6, 8)) }
}
