import { asciiDigits } from '../../identifiers.ts'

/** Consonants and the vowels that Arabic script writes, as Egyptian banks and passports spell them. */
const letters: Readonly<Record<string, string>> = {
  ا: 'a', أ: 'a', إ: 'i', آ: 'a', ٱ: 'a', ب: 'b', ت: 't', ث: 'th', ج: 'g', ح: 'h', خ: 'kh', د: 'd', ذ: 'z', ر: 'r',
  ز: 'z', س: 's', ش: 'sh', ص: 's', ض: 'd', ط: 't', ظ: 'z', ع: 'a', غ: 'gh', ف: 'f', ق: 'q', ك: 'k', ل: 'l', م: 'm',
  ن: 'n', ه: 'h', ى: 'a', ة: 'a', ئ: 'e', ؤ: 'o', ء: '', پ: 'p', چ: 'ch', ڤ: 'v', گ: 'g', ک: 'k', ی: 'y', ـ: '',
  '\u064b': 'an', '\u064c': 'un', '\u064d': 'in', '\u064e': 'a', '\u064f': 'u', '\u0650': 'i', '\u0652': '',
  '\u0670': 'a', '،': ',', '؛': ',', '؟': '?', '٪': ' ', '٫': '.', '٬': ',',
} // biome-ignore format: a table

const SHADDA = '\u0651'
const ARABIC = /[\u0600-\u06ff]/
const VOWEL = /[aeiou]$/
const WORD = /[\u0600-\u06ff]+/g

/**
 * Spells the Arabic words of a text with Latin letters: payment messages carry no others. It is for a person at a bank
 * to recognise a name by; the Arabic name stays in Mizan's own records. The same text always gives the same letters.
 */
export function latinOfArabic(text: string): string {
  const plain = asciiDigits(text.normalize('NFKC'))
  return ARABIC.test(plain) ? plain.replaceAll(WORD, latinWord) : plain
}

function latinWord(word: string): string {
  const article = word.length > 3 && word.startsWith('ال')
  const spelt = spell(article ? word.slice(2) : word)
  const name = spelt.slice(0, 1).toUpperCase() + spelt.slice(1)
  return article ? `Al ${name}` : name
}

function spell(word: string): string {
  let out = ''
  for (const [at, letter] of [...word].entries()) {
    if (letter === SHADDA) out += out.slice(-1)
    else if (letter === 'و') out += isVowelAt(out, at) ? 'u' : 'w'
    else if (letter === 'ي') out += isVowelAt(out, at) ? 'i' : 'y'
    else out += letters[letter] ?? ''
  }
  return out
}

/** و and ي are consonants at a word's beginning and after a vowel, long vowels after a consonant. */
function isVowelAt(before: string, at: number): boolean {
  return at > 0 && !VOWEL.test(before)
}
