/**
 * EBCDIC code page 037 (IBM CECP: USA, Canada, Netherlands, Portugal, Brazil), the superset that Visa messages use. Row
 * r holds the Unicode (ISO 8859-1) code points of the bytes r0 to rF; the page is a permutation of the 256 bytes, so
 * every text of the Latin-1 range survives both ways. Source of the table: IBM's published code chart of CCSID 37.
 */
const codePage037 = [
  '00 01 02 03 9c 09 86 7f 97 8d 8e 0b 0c 0d 0e 0f',
  '10 11 12 13 9d 85 08 87 18 19 92 8f 1c 1d 1e 1f',
  '80 81 82 83 84 0a 17 1b 88 89 8a 8b 8c 05 06 07',
  '90 91 16 93 94 95 96 04 98 99 9a 9b 14 15 9e 1a',
  '20 a0 e2 e4 e0 e1 e3 e5 e7 f1 a2 2e 3c 28 2b 7c',
  '26 e9 ea eb e8 ed ee ef ec df 21 24 2a 29 3b ac',
  '2d 2f c2 c4 c0 c1 c3 c5 c7 d1 a6 2c 25 5f 3e 3f',
  'f8 c9 ca cb c8 cd ce cf cc 60 3a 23 40 27 3d 22',
  'd8 61 62 63 64 65 66 67 68 69 ab bb f0 fd fe b1',
  'b0 6a 6b 6c 6d 6e 6f 70 71 72 aa ba e6 b8 c6 a4',
  'b5 7e 73 74 75 76 77 78 79 7a a1 bf d0 dd de ae',
  '5e a3 a5 b7 a9 a7 b6 bc bd be 5b 5d af a8 b4 d7',
  '7b 41 42 43 44 45 46 47 48 49 ad f4 f6 f2 f3 f5',
  '7d 4a 4b 4c 4d 4e 4f 50 51 52 b9 fb fc f9 fa ff',
  '5c f7 53 54 55 56 57 58 59 5a b2 d4 d6 d2 d3 d5',
  '30 31 32 33 34 35 36 37 38 39 b3 db dc d9 da 9f',
]

/** Latin-1 code of each EBCDIC byte. */
export const ebcdicToLatin1: Uint8Array = Uint8Array.from(
  codePage037.flatMap((row) => row.split(' ').map((code) => Number.parseInt(code, 16))),
)

/** EBCDIC byte of each Latin-1 code. */
export const latin1ToEbcdic: Uint8Array = invert(ebcdicToLatin1)

function invert(table: Uint8Array): Uint8Array {
  const inverse = new Uint8Array(256)
  for (const [byte, code] of table.entries()) inverse[code] = byte
  return inverse
}

/** Text of EBCDIC bytes; every byte has a character. */
export function decodeEbcdic(bytes: Uint8Array): string {
  const latin1 = Buffer.allocUnsafe(bytes.length)
  for (const [index, byte] of bytes.entries()) latin1[index] = ebcdicToLatin1[byte] as number
  return latin1.toString('latin1', 0, latin1.length)
}

/** EBCDIC bytes of a text; undefined when a character is outside Latin-1 and so has no EBCDIC byte. */
export function encodeEbcdic(text: string): Buffer | undefined {
  const bytes = Buffer.allocUnsafe(text.length)
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code > 0xff) return undefined
    bytes[index] = latin1ToEbcdic[code] as number
  }
  return bytes
}
