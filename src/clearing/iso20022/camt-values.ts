import { maskCardNumbers } from '../../identifiers.ts'
import type { ReadAmount, ReadBalance } from './bank-events.ts'
import { UNIT } from './read-context.ts'
import { all, at, cut, textAt, type XmlNode } from './xml-reader.ts'

const ACCOUNT_MAX = 34
const TEXT_MAX = 500
const CODE_MAX = 80

/** An amount with the sign of its effect on the account. */
export function signed({ value, currency }: ReadAmount, credit: boolean): ReadAmount {
  return { value: credit ? value : -value, currency }
}

/** The balance of the first code that there is; an ITBD of the second place closes a page. */
export function firstOf(
  balances: readonly ReadBalance[],
  codes: readonly string[],
  nth: number,
): ReadBalance | undefined {
  for (const code of codes) {
    const found = balances.filter((balance) => balance.code === code)
    const one = found[code === 'ITBD' ? nth : 0]
    if (one !== undefined) return one
  }
  return undefined
}

/** Domain, family and sub-family, else the bank's own code. */
export function codeOf(node: XmlNode | undefined): string | undefined {
  const domain = textAt(node, 'Domn', 'Cd')
  const family = at(node, 'Domn', 'Fmly')
  const code =
    domain === undefined
      ? textAt(node, 'Prtry', 'Cd')
      : [domain, textAt(family, 'Cd') ?? '', textAt(family, 'SubFmlyCd') ?? ''].join('/')
  return code === undefined ? undefined : cut(code, CODE_MAX)
}

/** BIC or number of an agent. */
export function agentOf(node: XmlNode | undefined): string | undefined {
  const institution = at(node, 'FinInstnId')
  return (
    textAt(institution, 'BICFI') ??
    textAt(institution, 'BIC') ??
    textAt(institution, 'ClrSysMmbId', 'MmbId') ??
    textAt(institution, 'Othr', 'Id')
  )
}

/** IBAN or number of an account. */
export function accountIdOf(node: XmlNode | undefined): string | undefined {
  const id = textAt(node, 'Id', 'IBAN') ?? textAt(node, 'Id', 'Othr', 'Id')
  return id === undefined ? undefined : cut(id, ACCOUNT_MAX)
}

/** What the payer wrote, in one line. */
export function remittanceOf(node: XmlNode): string | undefined {
  const remittance = at(node, 'RmtInf')
  const words = all(remittance, 'Ustrd').map(({ text }) => text)
  for (const one of all(remittance, 'Strd')) words.push(textAt(one, 'CdtrRefInf', 'Ref') ?? '')
  words.push(textAt(node, 'AddtlTxInf') ?? '')
  return joined(words)
}

/** Texts in one line, without card numbers: people write them there; undefined when there is none. */
export function joined(words: readonly string[]): string | undefined {
  return cut(maskCardNumbers(words.filter((text) => text !== '').join(' ')), TEXT_MAX) || undefined
}

/** An end-to-end id, and not what banks write where there is none. */
export function known(endToEndId: string | undefined): string | undefined {
  return endToEndId === undefined || /^(?:NOT[ -]?PROVIDED|NONREF|NOTGIVEN)$/i.test(endToEndId) ? undefined : endToEndId
}

/** An amount for people, with the places it needs. */
export function plain(value: bigint): string {
  const unsigned = value < 0n ? -value : value
  const places = (unsigned % UNIT)
    .toString()
    .padStart(5, '0')
    .replace(/0{0,3}$/, '')
  return `${value < 0n ? '-' : ''}${unsigned / UNIT}.${places}`
}
