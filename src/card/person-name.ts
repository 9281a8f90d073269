const NAME_MAX = 120
/** Letters with their marks, and what stands between parts of a name. */
const NAME = /^[\p{L}\p{M} '’ʼ.\-\u2010\u2011]+$/u
/** What steers the direction of a text, joins or hides: it makes a name look like another, or like none. */
const UNSEEN = /[\p{Cf}\p{Co}\p{Cn}\p{Cs}]/u

/** What is asked of a name, in words. */
export const NAME_FORM = `a name has letters, up to ${NAME_MAX} of them, with spaces, apostrophes, hyphens and dots`

/**
 * Reads the name of a person: composed (NFC), with one space between its parts. At least one letter, no digits, nothing
 * unseen, no half of a character.
 * @returns undefined when it is none
 */
export function readPersonName(text: string): string | undefined {
  if (!text.isWellFormed() || UNSEEN.test(text)) return undefined
  const name = text.normalize('NFC').replaceAll(/\s+/g, ' ').trim()
  return name.length <= NAME_MAX && NAME.test(name) && /\p{L}/u.test(name) ? name : undefined
}
