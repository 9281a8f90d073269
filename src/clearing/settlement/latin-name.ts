import { latinText } from '../iso20022/values.ts'

const NAME_MAX = 70

/**
 * A name in the Latin set of payment messages: Arabic is spelt with Latin letters. A name that has none at all becomes
 * what stands in for it.
 */
export function latinName(name: string, fallback: string): string {
  return /[\p{L}\p{N}]/u.test(name) ? spelt(name) || fallback : fallback
}

function spelt(name: string): string {
  try {
    return latinText(name, NAME_MAX, 'a name')
  } catch {
    // A name of letters of some other script: nobody could write it.
    return ''
  }
}
