import type { TdesKeyUse } from '../dukpt/tdes.ts'
import { DUKPT_TDES_KEY_BYTES, deriveTdesTransactionKey, deriveTdesWorkingKey, TdesDukpt } from '../dukpt/tdes.ts'
import { PIN_MAX_DIGITS } from '../pin/pin-block.ts'
import { decipherPinBlock } from '../pin/pin-cipher.ts'
import { decryptCbc, encryptCbc, encryptEcb } from '../primitives/block-modes.ts'
import { digitsText } from '../primitives/decimalise.ts'
import { DesKey } from '../primitives/des.ts'
import { cmac, retailMac } from '../primitives/mac.ts'
import { keyBytesInput } from './keys.ts'
import type { Inputs, KnownAlgorithm, KnownAlgorithms } from './runner.ts'
import { hasInput, hexInput, textInput, toHex } from './runner.ts'

/** Known answers of TDES DUKPT (X9.24-1:2009): keys, and PIN blocks, MACs and data under them. MACs are given whole. */
export const dukptTdesAlgorithms: KnownAlgorithms = {
  'dukpt.tdes.txn_key': (inputs) => ({ txn_key: toHex(transactionKey(inputs)) }),
  'dukpt.tdes.pin_key': (inputs) => ({ pin_key: toHex(variantOf(transactionKey(inputs), 'pin')) }),
  'dukpt.tdes.mac_key_request': (inputs) => ({ mac_key: toHex(variantOf(transactionKey(inputs), 'mac-request')) }),
  'dukpt.tdes.pin': (inputs) => ({
    pin_block: toHex(encryptEcb(workingKey(inputs, 'pin'), hexInput(inputs, 'clear_pin_block'))),
  }),
  'dukpt.tdes.pin_decrypt': (inputs) => {
    const pin = new Uint8Array(PIN_MAX_DIGITS)
    const by = { format: 0, key: workingKey(inputs, 'pin') } as const
    const length = decipherPinBlock(by, hexInput(inputs, 'pin_block'), textInput(inputs, 'pan'), pin)
    return { pin: digitsText(pin, length) }
  },
  'dukpt.tdes.mac_request': mac('mac-request'),
  'dukpt.tdes.mac_response': mac('mac-response'),
  'dukpt.tdes.cmac_request': (inputs) => ({
    mac: toHex(cmac(workingKey(inputs, 'mac-request'), hexInput(inputs, 'data'))),
  }),
  'dukpt.tdes.data_request': data('data-request'),
  'dukpt.tdes.data_response': data('data-response'),
  // Old stripe readers encrypt track data under the PIN key, against the standard.
  'dukpt.tdes.data_with_pin_variant': data('pin'),
}

function mac(use: TdesKeyUse): KnownAlgorithm {
  return (inputs) => ({ mac: toHex(retailMac(workingKey(inputs, use), hexInput(inputs, 'data'), 1)) })
}

/** Encrypts or decrypts, whichever the input asks for. */
function data(use: TdesKeyUse): KnownAlgorithm {
  return (inputs) => {
    const key = workingKey(inputs, use)
    const iv = keyBytesInput(inputs, 'iv', [8])
    if (hasInput(inputs, 'ciphertext')) return { plaintext: toHex(decryptCbc(key, iv, hexInput(inputs, 'ciphertext'))) }
    return { ciphertext: toHex(encryptCbc(key, iv, hexInput(inputs, 'data'))) }
  }
}

function transactionKey(inputs: Inputs): Uint8Array {
  const key = keyBytesInput(inputs, 'ik', [DUKPT_TDES_KEY_BYTES])
  deriveTdesTransactionKey(key, hexInput(inputs, 'ksn'), key)
  return key
}

function variantOf(key: Uint8Array, use: TdesKeyUse): Uint8Array {
  deriveTdesWorkingKey(key, use, key)
  return key
}

function workingKey(inputs: Inputs, use: TdesKeyUse): DesKey {
  const terminals = new TdesDukpt(keyBytesInput(inputs, 'bdk', [DUKPT_TDES_KEY_BYTES]))
  const key = new Uint8Array(DUKPT_TDES_KEY_BYTES)
  terminals.workingKey(hexInput(inputs, 'ksn'), use, key)
  terminals.wipe()
  return new DesKey(key)
}
