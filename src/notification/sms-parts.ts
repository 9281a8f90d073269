/** How a text travels as SMS. */
export interface SmsLength {
  readonly encoding: 'GSM-7' | 'UCS-2'
  /** Characters of the encoding: septets (an extended one is two), or UTF-16 units. */
  readonly units: number
  /** Messages that the network sends and bills. */
  readonly parts: number
}

/** The basic alphabet of 3GPP TS 23.038, and what takes an escape before it. */
const BASIC = new Set(
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà',
)
const EXTENDED = new Set('\f^{}\\[~]|€')

const GSM_SINGLE = 160
const GSM_PART = 153
const UCS2_SINGLE = 70
const UCS2_PART = 67

/** Length of a text as SMS: 160 characters of GSM-7 or 70 of UCS-2, and 153 or 67 in each of several parts. */
export function smsLength(text: string): SmsLength {
  const characters = [...text]
  const isGsm = characters.every((character) => BASIC.has(character) || EXTENDED.has(character))
  const widths = characters.map((character) => (isGsm ? (EXTENDED.has(character) ? 2 : 1) : character.length))
  const units = widths.reduce((sum, width) => sum + width, 0)
  const parts = units <= (isGsm ? GSM_SINGLE : UCS2_SINGLE) ? 1 : countParts(widths, isGsm ? GSM_PART : UCS2_PART)
  return { encoding: isGsm ? 'GSM-7' : 'UCS-2', units, parts }
}

/** A character is never cut in two by the end of a part. */
function countParts(widths: readonly number[], room: number): number {
  let parts = 1
  let used = 0
  for (const width of widths) {
    if (used + width > room) {
      parts++
      used = 0
    }
    used += width
  }
  return parts
}
