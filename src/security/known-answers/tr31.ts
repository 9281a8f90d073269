import { deriveBlockKeys, ProtectionKey } from '../key-blocks/derive.ts'
import { type KeyBlockVersion, parseHeader } from '../key-blocks/header.ts'
import { unwrapKeyBlock } from '../key-blocks/unwrap.ts'
import { wrapKeyBlock } from '../key-blocks/wrap.ts'
import { hexInput, type KnownAlgorithm, type KnownAlgorithms, textInput, toHex } from './runner.ts'

/** Known answers of key blocks by TR-31 and X9.143: derivation, wrapping and unwrapping, by version. */
export const tr31Algorithms: KnownAlgorithms = {
  'tr31.a.derive_keys': derive('A'),
  'tr31.b.derive_keys': derive('B'),
  'tr31.c.derive_keys': derive('C'),
  'tr31.d.derive_keys': derive('D'),
  'tr31.a.wrap': wrap('A'),
  'tr31.b.wrap': wrap('B'),
  'tr31.c.wrap': wrap('C'),
  'tr31.d.wrap': wrap('D'),
  'tr31.a.unwrap': unwrap('A'),
  'tr31.b.unwrap': unwrap('B'),
  'tr31.c.unwrap': unwrap('C'),
  'tr31.d.unwrap': unwrap('D'),
}

function derive(version: KeyBlockVersion): KnownAlgorithm {
  return (inputs) => {
    const { kbek, kbak } = deriveBlockKeys(version, hexInput(inputs, 'kbpk'))
    return { kbek: toHex(kbek), kbak: toHex(kbak) }
  }
}

/** The length in the header that is given does not count: the key block gets the one it has. */
function wrap(version: KeyBlockVersion): KnownAlgorithm {
  return (inputs) => {
    const protection = new ProtectionKey(version, hexInput(inputs, 'kbpk'))
    const { header } = parseHeader(textInput(inputs, 'header'))
    const padding = hexInput(inputs, 'random_padding')
    const options = { padding, allowSingleLength: true }
    return { key_block: wrapKeyBlock(protection, { ...header, version }, hexInput(inputs, 'key'), options) }
  }
}

function unwrap(version: KeyBlockVersion): KnownAlgorithm {
  return (inputs) => {
    const protection = new ProtectionKey(version, hexInput(inputs, 'kbpk'))
    const { key } = unwrapKeyBlock(protection, textInput(inputs, 'key_block'), { allowSingleLength: true })
    return { key: toHex(key) }
  }
}
