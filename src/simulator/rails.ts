import type { FramingName } from '../link/framing.ts'
import type { Tpdu } from '../link/tpdu.ts'
import { demoAcquirers } from './demo-world.ts'

/** How a kind of counterparty speaks: which listener, dialect, framing and addresses it uses. */
export interface Rail {
  readonly name: 'pos' | 'atm' | 'visa'
  readonly listener: 'ascii' | 'bcd' | 'visa'
  readonly dialect: string
  readonly framing: FramingName
  readonly maxFrameBytes: number
  readonly tpdu?: Tpdu
  /** Stations of the 22-byte header, six digits each. */
  readonly stations?: { readonly source: string; readonly destination: string }
  /** DE32 */
  readonly acquirer: string
}

const [posAcquirer, atmAcquirer, schemeAcquirer] = demoAcquirers.map((acquirer) => acquirer.id)

/** POS terminals of a domestic acquirer: bakeries, grocers, shops. */
export const posRail: Rail = {
  name: 'pos',
  listener: 'ascii',
  dialect: 'iso87-ascii',
  framing: 'len2',
  maxFrameBytes: 4_096,
  acquirer: posAcquirer ?? '',
}

/** ATMs behind a domestic network; a TPDU precedes each message. */
const atmRail: Rail = {
  name: 'atm',
  listener: 'bcd',
  dialect: 'iso87-bcd',
  framing: 'len2',
  maxFrameBytes: 4_096,
  tpdu: { id: 0x60, destination: 0x0003, source: 0x1234 },
  acquirer: atmAcquirer ?? '',
}

/** The card scheme: purchases as 0100, which are held and clear later. */
const visaRail: Rail = {
  name: 'visa',
  listener: 'visa',
  dialect: 'visa-base1',
  framing: 'visa',
  maxFrameBytes: 2_048,
  stations: { source: '500001', destination: '818001' },
  acquirer: schemeAcquirer ?? '',
}

/** All rails, by name. */
export const rails = { pos: posRail, atm: atmRail, visa: visaRail } as const
