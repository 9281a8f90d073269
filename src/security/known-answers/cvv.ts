import { MizanError } from '../../errors.ts'
import { cavv } from '../card-values/cavv.ts'
import { cvc3, cvc3Digits } from '../card-values/cvc3.ts'
import { cvv, cvv2, dcvv, icvv } from '../card-values/cvv.ts'
import { desKeyInput } from './keys.ts'
import type { Inputs, KnownAlgorithms } from './runner.ts'
import { hasInput, hexInput, textInput } from './runner.ts'

/** Card verification values, static and dynamic. CVV is given with four digits, as some tools print it. */
export const cvvAlgorithms: KnownAlgorithms = {
  'cvv.cvv1': (inputs) => ({
    cvv: cvv(cvk(inputs), textInput(inputs, 'pan'), textInput(inputs, 'expiry'), textInput(inputs, 'service_code'), 4),
  }),
  'cvv.cvv2': (inputs) => {
    requireServiceCode(inputs, '000')
    return { cvv: cvv2(cvk(inputs), textInput(inputs, 'pan'), textInput(inputs, 'expiry')) }
  },
  'cvv.icvv': (inputs) => {
    requireServiceCode(inputs, '999')
    return { cvv: icvv(cvk(inputs), textInput(inputs, 'pan'), textInput(inputs, 'expiry')) }
  },
  'cavv.visa_cvv_style': (inputs) => ({
    cavv: cavv(cvk(inputs), {
      pan: textInput(inputs, 'pan'),
      unpredictableNumber: textInput(inputs, 'unpredictable_number'),
      authenticationResult: textInput(inputs, 'auth_result_code'),
      secondFactor: textInput(inputs, 'second_factor_code'),
    }),
  }),
  dcvv: (inputs) => {
    const option = hasInput(inputs, 'mk_option') ? textInput(inputs, 'mk_option') : 'A'
    if (option !== 'A' && option !== 'B') throw new MizanError('BAD_INPUT', 'mk_option must be A or B')
    const value = dcvv(desKeyInput(inputs, 'imk', [16]), {
      option,
      pan: textInput(inputs, 'pan'),
      psn: hasInput(inputs, 'psn') ? textInput(inputs, 'psn') : '00',
      atc: counterInput(inputs),
      expiry: textInput(inputs, 'expiry'),
      serviceCode: textInput(inputs, 'service_code'),
    })
    return { dcvv: value }
  },
  cvc3: (inputs) => {
    const value = cvc3(desKeyInput(inputs, 'icc_cvc3_key', [16]), {
      track: hexInput(inputs, 'track'),
      atc: counterInput(inputs),
      unpredictableNumber: hexInput(inputs, 'un'),
    })
    return { cvc3: cvc3Digits(value, 5), cvc3_last3: cvc3Digits(value, 3) }
  },
}

function cvk(inputs: Inputs) {
  return desKeyInput(inputs, 'cvk', [16])
}

function counterInput(inputs: Inputs): number {
  const bytes = hexInput(inputs, 'atc')
  if (bytes.length !== 2) throw new MizanError('BAD_INPUT', 'atc must have 2 bytes')
  return bytes.readUInt16BE(0)
}

/** An answer that gives a service code is of this value only with the one that stands for it. */
function requireServiceCode(inputs: Inputs, code: string): void {
  if (hasInput(inputs, 'service_code') && textInput(inputs, 'service_code') !== code) {
    throw new MizanError('BAD_INPUT', `service_code must be ${code}`)
  }
}
