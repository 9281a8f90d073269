import { test } from 'tap'
import type { AuthorizationRequest, SecurityData } from '../../src/authorization/request.ts'
import type { Card, Household } from '../../src/card/household.ts'
import type { PinKey } from '../../src/security/security-module.ts'
import { Authenticator } from '../../src/writer/authenticator.ts'
import { purchaseOf } from '../support/writer.ts'

const NOTHING: SecurityData = {
  pinBlock: undefined,
  securityControl: undefined,
  keySerial: undefined,
  chip: undefined,
  sequenceNumber: '01',
  track2: undefined,
  oneTimeCode: undefined,
  assertion: undefined,
}
const holder = {
  card: { pinReference: { keyIndex: 1, pvv: '1234' }, scriptPending: undefined } as unknown as Card,
  household: {} as Household,
}

/** What an authenticator finds, and what it asks a module that everything is right for. */
function authenticator() {
  const pinKeys: PinKey[] = []
  const module = {
    verifyPin: ({ key }: { key: PinKey }) => {
      pinKeys.push(key)
      return 'matched' as const
    },
    verifyCryptogram: () => ({ verdict: 'matched' as const, answers: undefined }),
  }
  const finding = new Authenticator(module as unknown as ConstructorParameters<typeof Authenticator>[0])
  const find = async (security: Partial<SecurityData>, changes: Partial<AuthorizationRequest> = {}) =>
    finding.authenticate(purchaseOf(1, 0, { security: { ...NOTHING, ...security }, ...changes }), holder)
  return { find, pinKeys }
}

test('the amount that a cryptogram covers is known unless the chip says another currency', async (t) => {
  const { find } = authenticator()
  const amountOf = async (tags: string) => {
    const { chip } = await find({ chip: Buffer.from(`9F360200019F2701809F26080000000000000000${tags}`, 'hex') })
    return chip?.amountPiasters
  }
  const amount = '9F0206000000012345'
  t.equal(await amountOf(`${amount}5F2A020818`), 12_345)
  t.equal(
    await amountOf(amount),
    12_345,
    'no currency: a cryptogram that does not cover it is none the less of an amount',
  )
  t.equal(await amountOf(`${amount}5F2A020840`), undefined)
  t.equal(await amountOf('9F02060000000000005F2A020000'), 0, 'nothing is nothing')
  t.equal(await amountOf('9F02060000001E00035F2A020818'), undefined, 'no number')
  t.equal(await amountOf('5F2A020818'), undefined)
})

test('terminals have the base key of their link, or that of all', async (t) => {
  const { find, pinKeys } = authenticator()
  const pinBlock = Buffer.alloc(8)
  await find({ pinBlock, keySerial: Buffer.alloc(10) }, { link: 'bcd' })
  await find({ pinBlock, keySerial: Buffer.alloc(12) }, { link: 'bcd' })
  t.match(pinKeys, [
    { kind: 'dukpt', name: 'bdk:bcd', shared: 'bdk' },
    { kind: 'dukpt', name: 'bdk-aes:bcd', shared: 'bdk-aes' },
  ])
})
