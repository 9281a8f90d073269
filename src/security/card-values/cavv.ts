import type { DesKey } from '../primitives/des.ts'
import { requireDigits } from '../primitives/digits.ts'
import { cvv, verifyCvv } from './cvv.ts'

/** What a cardholder authentication made known (Visa CAVV, the value of a 3-D Secure authentication). */
export interface CavvInputs {
  /** 12 to 19 digits */
  readonly pan: string
  /** four digits the authentication server chose */
  readonly unpredictableNumber: string
  /** one digit: how the authentication ended */
  readonly authenticationResult: string
  /** two digits: by what second factor */
  readonly secondFactor: string
}

/**
 * Cardholder authentication verification value: a CVV with the unpredictable number for the expiry date and the two
 * result codes for the service code.
 * @param key double-length key of the authentication server
 * @returns three digits
 * @throws MizanError BAD_INPUT when an input is not such digits
 */
export function cavv(key: DesKey, inputs: CavvInputs): string {
  return cvv(key, inputs.pan, inputs.unpredictableNumber, resultCode(inputs))
}

/**
 * Whether a CAVV is right; compares in constant time.
 * @param value three digits; anything else is false
 * @throws MizanError BAD_INPUT when an input is not such digits
 */
export function verifyCavv(key: DesKey, inputs: CavvInputs, value: string): boolean {
  return verifyCvv(key, inputs.pan, inputs.unpredictableNumber, resultCode(inputs), value)
}

function resultCode({ authenticationResult, secondFactor }: CavvInputs): string {
  requireDigits(authenticationResult, 1, 1, 'the result code of a CAVV')
  requireDigits(secondFactor, 2, 2, 'the second factor code of a CAVV')
  return authenticationResult + secondFactor
}
