import { asciiDigits } from '../identifiers.ts'

/** Check digits of ISO 7064 MOD 97-10 leave this rest. */
const REST = 1n
/** The letters EG as numbers, A being 10. */
const EG = '1416'

/** Reads an Egyptian IBAN (ISO 13616: EG and 27 digits), as people write it; undefined when it is none. */
export function readIban(text: string): string | undefined {
  const plain = asciiDigits(text).replaceAll(/[\s-]/g, '').toUpperCase()
  if (!/^EG\d{27}$/.test(plain)) return undefined
  const digits = `${plain.slice(4)}${EG}${plain.slice(2, 4)}`
  return BigInt(digits) % 97n === REST ? plain : undefined
}
