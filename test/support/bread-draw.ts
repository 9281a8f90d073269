import type { AuthorizationRequest } from '../../src/authorization/request.ts'
import { demoHousehold, demoOutlets } from '../../src/simulator/demo-world.ts'
import { purchaseOf } from './writer.ts'

const SEED = 1
const LOAVES_A_MEMBER = 5
const LOAF_PIASTERS = 20

/**
 * A draw at a bakery of the household's governorate, in the demo world of the writer tests.
 * @param loaves absent = the whole share of a day
 */
export function breadDraw(
  id: number,
  nowMs: number,
  loaves = demoHousehold(SEED, id, false).members * LOAVES_A_MEMBER,
): { readonly request: AuthorizationRequest; readonly loaves: number } {
  const { governorate } = demoHousehold(SEED, id, false)
  const bakery = demoOutlets().find((one) => one.category === 'bakery' && one.governorate === governorate)
  const request = purchaseOf(id, nowMs, {
    fromAccount: '92',
    quantity: loaves,
    amountPiasters: loaves * LOAF_PIASTERS,
    acceptor: bakery?.acceptor ?? '',
    terminal: bakery?.terminals[0] ?? '',
    mcc: '5462',
  })
  return { request, loaves }
}
