import { readIban } from '../../card/iban.ts'
import { MizanError } from '../../errors.ts'
import { identifier, latinText } from './values.ts'
import { leaf, node, optionalLeaf, type Xml } from './xml.ts'

/** A person, shop or body that pays or is paid. */
export interface Party {
  /** In any script; written in Latin letters. */
  readonly name: string
  /** Number under which the receiver knows the party, e.g. an outlet's. */
  readonly identification?: string
  /** Town, in any script. */
  readonly town?: string
  /** ISO 3166 alpha-2. @default none */
  readonly country?: string
}

/** A bank, by its BIC, or by its number in a clearing system or with us when it has none. */
export interface Agent {
  /** 8 or 11 characters. */
  readonly bic?: string
  readonly memberId?: string
  readonly name?: string
}

/** An account: an Egyptian IBAN, or any other number of at most 34 characters. */
export type Account = { readonly iban: string } | { readonly number: string }

const NAME_MAX = 140
const TOWN_MAX = 35
const ACCOUNT_MAX = 34

/** The account that a text names: an IBAN when it is one, else a number as it stands. */
export function accountOf(text: string): Account {
  const iban = readIban(text)
  return iban === undefined ? { number: text } : { iban }
}

/** PartyIdentification135 as element `name`. @throws MizanError BAD_INPUT */
export function partyXml(name: string, party: Party): Xml {
  const address =
    party.town === undefined && party.country === undefined
      ? undefined
      : node(
          'PstlAdr',
          party.town === undefined ? undefined : leaf('TwnNm', latinText(party.town, TOWN_MAX, 'a town')),
          optionalLeaf('Ctry', party.country),
        )
  const id =
    party.identification === undefined
      ? undefined
      : node('Id', node('OrgId', node('Othr', leaf('Id', identifier(party.identification, `the number of ${name}`)))))
  return node(name, leaf('Nm', latinText(party.name, NAME_MAX, `the name of ${name}`)), address, id)
}

/** BranchAndFinancialInstitutionIdentification6 as element `name`. @throws MizanError BAD_INPUT */
export function agentXml(name: string, agent: Agent): Xml {
  const { bic, memberId } = agent
  if (bic === undefined && memberId === undefined) throw new MizanError('BAD_INPUT', `${name} needs a BIC or a number`)
  if (bic !== undefined && !/^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?$/.test(bic)) {
    throw new MizanError('BAD_INPUT', `the BIC "${bic.slice(0, 20)}" of ${name} must be 8 or 11 capitals and digits`)
  }
  const member =
    memberId === undefined
      ? undefined
      : node('ClrSysMmbId', leaf('MmbId', identifier(memberId, `the number of ${name}`)))
  const title =
    agent.name === undefined ? undefined : leaf('Nm', latinText(agent.name, NAME_MAX, `the name of ${name}`))
  return node(name, node('FinInstnId', optionalLeaf('BICFI', bic), member, title))
}

/** AccountIdentification4Choice within a cash account, as element `name`. @throws MizanError BAD_INPUT */
export function accountXml(name: string, account: Account, currency?: string, servicer?: Agent): Xml {
  return node(
    name,
    node('Id', accountIdXml(name, account)),
    optionalLeaf('Ccy', currency),
    servicer === undefined ? undefined : agentXml('Svcr', servicer),
  )
}

function accountIdXml(name: string, account: Account): Xml {
  if ('iban' in account) {
    const iban = readIban(account.iban)
    if (iban === undefined) throw new MizanError('BAD_INPUT', `the account of ${name} is not an Egyptian IBAN`)
    return leaf('IBAN', iban)
  }
  const number = identifier(account.number, `the account of ${name}`)
  if (number.length > ACCOUNT_MAX) throw new MizanError('BAD_INPUT', `the account of ${name} has over 34 characters`)
  return node('Othr', leaf('Id', number))
}
