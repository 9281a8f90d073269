import { MizanError } from '../../errors.ts'
import { AES_BLOCK_BYTES } from '../primitives/aes.ts'
import { decryptCbc, decryptEcb, encryptCbc, encryptEcb } from '../primitives/block-modes.ts'
import type { BlockKey } from '../primitives/des.ts'
import { hmacSha256 } from '../primitives/hmac.ts'
import { aesCmacKcv, aesZerosKcv, combineComponents, ibmVariant, tdesKcv } from '../primitives/key-checks.ts'
import type { Padding } from '../primitives/mac.ts'
import { cbcMac, cmac, pad, retailMac, x99Mac, x919Mac } from '../primitives/mac.ts'
import { aesKeyInput, desKeyInput, keyBytesInput } from './keys.ts'
import type { Inputs, KnownAlgorithm, KnownAlgorithms } from './runner.ts'
import { hasInput, hexInput, hexListInput, numberInput, toHex } from './runner.ts'

/** Ciphers, MACs, key check values and operations on keys. MACs and check values are given whole. */
export const macAlgorithms: KnownAlgorithms = {
  'cipher.des_ecb': ecb((inputs) => desKeyInput(inputs, 'key', [8])),
  'cipher.des_cbc': cbc((inputs) => desKeyInput(inputs, 'key', [8])),
  'cipher.tdes_ecb': ecb((inputs) => desKeyInput(inputs, 'key', [16, 24])),
  'cipher.tdes_cbc': cbc((inputs) => desKeyInput(inputs, 'key', [16, 24])),
  'cipher.aes_ecb': ecb((inputs) => aesKeyInput(inputs, 'key')),
  'cipher.aes_cbc': cbc((inputs) => aesKeyInput(inputs, 'key')),
  'mac.pad': (inputs) => ({
    padded: toHex(pad(hexInput(inputs, 'data'), paddingInput(inputs), blockInput(inputs))),
  }),
  'mac.iso9797_alg1_des': mac((inputs, data) => cbcMac(desKeyInput(inputs, 'key', [8]), data, paddingInput(inputs))),
  'mac.iso9797_alg1_tdes': mac((inputs, data) =>
    cbcMac(desKeyInput(inputs, 'key', [16, 24]), data, paddingInput(inputs)),
  ),
  'mac.iso9797_alg3': mac((inputs, data) => retailMac(desKeyInput(inputs, 'key', [16]), data, paddingInput(inputs))),
  'mac.x99': mac((inputs, data) => x99Mac(desKeyInput(inputs, 'key', [8]), data)),
  'mac.x919': mac((inputs, data) => x919Mac(desKeyInput(inputs, 'key', [16]), data)),
  'mac.tdes_cmac': mac((inputs, data) => cmac(desKeyInput(inputs, 'key', [16, 24]), data)),
  'mac.aes_cmac': mac((inputs, data) => cmac(aesKeyInput(inputs, 'key'), data)),
  'mac.hmac_sha256': mac((inputs, data) => hmacSha256(hexInput(inputs, 'key'), data)),
  'kcv.tdes_zeros': (inputs) => ({ kcv: toHex(tdesKcv(keyBytesInput(inputs, 'key', [8, 16, 24]), 8)) }),
  'kcv.aes_cmac': (inputs) => ({ kcv: toHex(aesCmacCheckValue(inputs)) }),
  'kcv.aes_zeros': (inputs) => ({ kcv: toHex(aesZerosKcv(keyBytesInput(inputs, 'key', [16, 24, 32]), 16)) }),
  'keycomponents.xor': (inputs) => ({ key: toHex(combineComponents(hexListInput(inputs, 'components'))) }),
  'key.ibm_variant': (inputs) => ({
    key: toHex(ibmVariant(keyBytesInput(inputs, 'key', [8, 16, 24]), numberInput(inputs, 'variant'))),
  }),
}

function mac(compute: (inputs: Inputs, data: Buffer) => Buffer): KnownAlgorithm {
  return (inputs) => ({ mac: toHex(compute(inputs, hexInput(inputs, 'data'))) })
}

/** Encrypts `data`, or decrypts `ciphertext` where that is given. */
function ecb(keyOf: (inputs: Inputs) => BlockKey): KnownAlgorithm {
  return (inputs) => {
    const key = keyOf(inputs)
    if (hasInput(inputs, 'ciphertext')) return { plaintext: toHex(decryptEcb(key, hexInput(inputs, 'ciphertext'))) }
    return { ciphertext: toHex(encryptEcb(key, hexInput(inputs, 'data'))) }
  }
}

/** Encrypts `data`, or decrypts `ciphertext` where that is given, from the block `iv`. */
function cbc(keyOf: (inputs: Inputs) => BlockKey): KnownAlgorithm {
  return (inputs) => {
    const key = keyOf(inputs)
    const iv = hexInput(inputs, 'iv')
    if (iv.length !== key.blockBytes) throw new MizanError('BAD_INPUT', 'iv must be one block')
    if (hasInput(inputs, 'ciphertext')) return { plaintext: toHex(decryptCbc(key, iv, hexInput(inputs, 'ciphertext'))) }
    return { ciphertext: toHex(encryptCbc(key, iv, hexInput(inputs, 'data'))) }
  }
}

/** The MAC is over a block of zeros; some tools take it over other data, which the answer then gives. */
function aesCmacCheckValue(inputs: Inputs): Buffer {
  if (!hasInput(inputs, 'cmac_input')) return aesCmacKcv(keyBytesInput(inputs, 'key', [16, 24, 32]), AES_BLOCK_BYTES)
  return cmac(aesKeyInput(inputs, 'key'), hexInput(inputs, 'cmac_input'))
}

function paddingInput(inputs: Inputs): Padding {
  const method = numberInput(inputs, 'padding_method')
  if (method !== 1 && method !== 2 && method !== 3)
    throw new MizanError('BAD_INPUT', 'padding_method must be 1, 2 or 3')
  return method
}

function blockInput(inputs: Inputs): 8 | 16 {
  const block = hasInput(inputs, 'block') ? numberInput(inputs, 'block') : 8
  if (block !== 8 && block !== 16) throw new MizanError('BAD_INPUT', 'block must be 8 or 16')
  return block
}
