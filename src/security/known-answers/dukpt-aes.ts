import { MizanError } from '../../errors.ts'
import {
  type AesKeyType,
  type AesKeyUse,
  aesKeyBytes,
  deriveAesInitialKey,
  deriveAesTransactionKey,
  deriveAesUpdateKey,
} from '../dukpt/aes.ts'
import { AesDukpt } from '../dukpt/aes-terminals.ts'
import { AES_PIN_BLOCK_BYTES, encodePanField4 } from '../pin/pin-block.ts'
import { AesKey } from '../primitives/aes.ts'
import { encryptCbc, encryptEcb, xorBlock } from '../primitives/block-modes.ts'
import { hmacSha256 } from '../primitives/hmac.ts'
import { cmac } from '../primitives/mac.ts'
import {
  hasInput,
  hexInput,
  type Inputs,
  type KnownAlgorithm,
  type KnownAlgorithms,
  textInput,
  toHex,
} from './runner.ts'

const uses: Readonly<Record<string, AesKeyUse>> = {
  KEK: 'key-encryption',
  PIN: 'pin',
  MACGEN: 'mac-generate',
  MACVER: 'mac-verify',
  MACBOTH: 'mac-both',
  DATAENC: 'data-encrypt',
  DATADEC: 'data-decrypt',
  DATABOTH: 'data-both',
}

const types: readonly AesKeyType[] = ['2TDEA', '3TDEA', 'AES128', 'AES192', 'AES256', 'HMAC128', 'HMAC192', 'HMAC256']

/** Known answers of AES DUKPT (X9.24-3:2017): keys, and PIN blocks, MACs and data under them. */
export const dukptAesAlgorithms: KnownAlgorithms = {
  'dukpt.aes.ik': (inputs) => {
    const baseKey = new AesKey(hexInput(inputs, 'bdk'))
    const out = Buffer.alloc(baseKey.keyBytes)
    deriveAesInitialKey(baseKey, hexInput(inputs, 'ikid'), out)
    return { ik: toHex(out) }
  },
  'dukpt.aes.txn_key': (inputs) => {
    const initialKey = hexInput(inputs, 'ik')
    deriveAesTransactionKey(initialKey, hexInput(inputs, 'ksn'), initialKey)
    return { txn_key: toHex(initialKey) }
  },
  'dukpt.aes.update_key': (inputs) => {
    const type = typeInput(inputs, 'AES128')
    const out = Buffer.alloc(aesKeyBytes(type))
    deriveAesUpdateKey(hexInput(inputs, 'ik'), hexInput(inputs, 'ikid'), type, out)
    return { update_key: toHex(out) }
  },
  'dukpt.aes.working_key': (inputs) => {
    const name = textInput(inputs, 'usage')
    const use = Object.hasOwn(uses, name) ? uses[name] : undefined
    if (use === undefined) throw new MizanError('BAD_INPUT', 'usage is not known')
    return { key: toHex(workingKey(inputs, use, typeInput(inputs, 'AES128'))) }
  },
  'dukpt.aes.pin_raw_block': (inputs) => {
    const key = new AesKey(workingKey(inputs, 'pin', typeInput(inputs, 'AES128')))
    return { ciphertext: toHex(encryptEcb(key, hexInput(inputs, 'block'))) }
  },
  'dukpt.aes.pin_iso4': (inputs) => {
    const key = new AesKey(workingKey(inputs, 'pin', typeInput(inputs, 'AES128')))
    const block = encryptEcb(key, hexInput(inputs, 'pin_field'))
    const panField = new Uint8Array(AES_PIN_BLOCK_BYTES)
    encodePanField4(textInput(inputs, 'pan'), panField)
    xorBlock(block, 0, panField, 0, AES_PIN_BLOCK_BYTES)
    return { pin_block: toHex(encryptEcb(key, block)) }
  },
  'dukpt.aes.cmac_request': cmacUnder('mac-generate'),
  'dukpt.aes.cmac_response': cmacUnder('mac-verify'),
  'dukpt.aes.hmac_request': hmacUnder('mac-generate'),
  'dukpt.aes.hmac_response': hmacUnder('mac-verify'),
  'dukpt.aes.data_request': dataUnder('data-encrypt'),
  'dukpt.aes.data_response': dataUnder('data-decrypt'),
}

function workingKey(inputs: Inputs, use: AesKeyUse, type: AesKeyType): Buffer {
  const terminals = new AesDukpt(hexInput(inputs, 'bdk'))
  const out = Buffer.alloc(aesKeyBytes(type))
  terminals.workingKey(hexInput(inputs, 'ksn'), use, type, out)
  terminals.wipe()
  return out
}

function cmacUnder(use: AesKeyUse): KnownAlgorithm {
  return (inputs) => {
    const key = new AesKey(workingKey(inputs, use, typeInput(inputs, 'AES128')))
    return { mac: toHex(cmac(key, hexInput(inputs, 'data'))) }
  }
}

function hmacUnder(use: AesKeyUse): KnownAlgorithm {
  return (inputs) => {
    const key = workingKey(inputs, use, typeInput(inputs, 'HMAC128'))
    return { mac: toHex(hmacSha256(key, hexInput(inputs, 'data'))) }
  }
}

/** What is encrypted is named after the side that encrypts: a request under the key by which the terminal encrypts. */
function dataUnder(use: AesKeyUse): KnownAlgorithm {
  return (inputs) => {
    const key = new AesKey(workingKey(inputs, use, typeInput(inputs, 'AES128')))
    return { ciphertext: toHex(encryptCbc(key, hexInput(inputs, 'iv'), hexInput(inputs, 'data'))) }
  }
}

function typeInput(inputs: Inputs, otherwise: AesKeyType): AesKeyType {
  const name = hasInput(inputs, 'key_type') ? textInput(inputs, 'key_type') : otherwise
  const type = types.find((known) => known === name)
  if (type === undefined) throw new MizanError('BAD_INPUT', 'key_type is not known')
  return type
}
