/**
 * Tables of DES (FIPS 46-3), computed once from the standard's own tables.
 *
 * Each half of the state is kept rotated right by one bit. The six input bits of S-boxes 1, 3, 5 and 7 then end at bits
 * 31, 23, 15 and 7 (31 = leftmost), and, after a rotation left by four, so do those of 2, 4, 6 and 8: no expansion is
 * needed, only shifts.
 */

/** S-boxes, a row of 16 hex digits for each value of the outer two bits. */
const sBoxes: readonly string[] = [
  'E4D12FB83A6C5907 0F74E2D1A6CB9538 41E8D62BFC973A50 FC8249175B3EA06D',
  'F18E6B34972DC05A 3D47F28EC01A69B5 0E7BA4D158C6932F D8A13F42B67C05E9',
  'A09E63F51DC7B428 D709346A285ECBF1 D6498F30B12C5AE7 1AD069874FE3B52C',
  '7DE3069A1285BC4F D8B56F03472C1AE9 A690CB7DF13E5284 3F06A1D8945BC72E',
  '2C417AB6853FD0E9 EB2C47D150FA3986 421BAD78F9C5630E B8C71E2D6F09A453',
  'C1AF92680D34E75B AF427C9561DE0B38 9EF528C3704A1DB6 432C95FABE17608D',
  '4B2EF08D3C975A61 D0B7491AE35C2F86 14BDC37EAF680592 6BD814A7950FE23C',
  'D2846FB1A93E50C7 1FD8A374C56B0E92 7B419CE206ADF358 21E74A8DFC90356B',
]

/** Permutation P: which S-box output bit (1 = leftmost) each bit of the round function comes from. */
const permutation: readonly number[] = [
  16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10, 2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22, 11, 4, 25,
]

/** Permuted choice 1: which key bit (1 = leftmost) each bit of C and D comes from. */
const choice1: readonly number[] = [
  57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36, 63, 55,
  47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4,
]

/** Permuted choice 2: which bit of C and D each bit of a round key comes from. */
const choice2: readonly number[] = [
  14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2, 41, 52, 31, 37, 47, 55, 30,
  40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
]

/** Left rotations of C and D before each round. */
const rotations: readonly number[] = [1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1]

/** Words of a key schedule: two of each round, S-boxes 1, 3, 5, 7 in the first and 2, 4, 6, 8 in the second. */
export const SCHEDULE_WORDS = 32

type Table = Int32Array

/** S-boxes 1 to 8 with permutation P and the state's rotation: a word for each six input bits. */
export const substitution: readonly [Table, Table, Table, Table, Table, Table, Table, Table] = [
  substitutionTable(0),
  substitutionTable(1),
  substitutionTable(2),
  substitutionTable(3),
  substitutionTable(4),
  substitutionTable(5),
  substitutionTable(6),
  substitutionTable(7),
]

/** @param box 0 to 7 */
function substitutionTable(box: number): Table {
  const digits = (sBoxes[box] ?? '').replaceAll(' ', '')
  return Int32Array.from({ length: 64 }, (_, input) => {
    const row = ((input >> 4) & 2) | (input & 1)
    return permuted(Number.parseInt(digits.charAt(row * 16 + ((input >> 1) & 15)), 16), box)
  })
}

/** The word an S-box's four output bits give, rotated right by one. */
function permuted(output: number, box: number): number {
  let word = 0
  for (const [to, from] of permutation.entries()) {
    const bit = from - 1 - box * 4
    if (bit >= 0 && bit < 4 && ((output >> (3 - bit)) & 1) === 1) word |= 1 << (31 - ((to + 1) & 31))
  }
  return word
}

/**
 * The key schedule is linear in the key's bits, so that of a key is the exclusive or of what each of its bytes gives. A
 * row of {@link SCHEDULE_WORDS} words for each of 8 byte positions and each of 128 values of a byte without its parity
 * bit.
 */
export const scheduleParts: Int32Array = schedulePartsTable()

function schedulePartsTable(): Int32Array {
  const table = new Int32Array(8 * 128 * SCHEDULE_WORDS)
  for (let byte = 0; byte < 8; byte++) {
    for (let value = 1; value < 128; value++) {
      const row = (byte * 128 + value) * SCHEDULE_WORDS
      const lowest = value & -value
      if (value === lowest) {
        // Bit 1 of a byte is its leftmost; bit 8, the parity bit, is in none of the schedule.
        writeBitSchedule(table, row, byte * 8 + 7 - Math.log2(value))
        continue
      }
      const left = (byte * 128 + lowest) * SCHEDULE_WORDS
      const right = (byte * 128 + (value ^ lowest)) * SCHEDULE_WORDS
      for (let at = 0; at < SCHEDULE_WORDS; at++) {
        table[row + at] = (table[left + at] as number) ^ (table[right + at] as number)
      }
    }
  }
  return table
}

/** The schedule of a key with a single bit set (1 = leftmost). */
function writeBitSchedule(table: Int32Array, row: number, keyBit: number): void {
  const start = choice1.indexOf(keyBit)
  const half = start < 28 ? 0 : 28
  let place = start - half
  for (const [round, rotation] of rotations.entries()) {
    place = (place + 28 - rotation) % 28
    const bit = choice2.indexOf(half + place + 1)
    if (bit < 0) continue
    const box = Math.floor(bit / 6)
    table[row + round * 2 + (box & 1)] = 1 << (31 - (box >> 1) * 8 - (bit % 6))
  }
}
