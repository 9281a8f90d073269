import { MizanError } from '../../errors.ts'
import { AesKey } from '../primitives/aes.ts'
import { DesKey } from '../primitives/des.ts'
import type { Inputs } from './runner.ts'
import { hexInput } from './runner.ts'

/**
 * A key given as hex.
 * @param lengths the key lengths in bytes that will do
 * @throws MizanError BAD_INPUT when the input is absent, not hex or of another length
 */
export function keyBytesInput(inputs: Inputs, name: string, lengths: readonly number[]): Buffer {
  const key = hexInput(inputs, name)
  if (!lengths.includes(key.length)) throw new MizanError('BAD_INPUT', `${name} must have ${lengths.join(', ')} bytes`)
  return key
}

/**
 * A DES key given as hex.
 * @param lengths the key lengths in bytes that will do
 * @throws MizanError BAD_INPUT when the input is absent, not hex or of another length
 */
export function desKeyInput(inputs: Inputs, name: string, lengths: readonly number[]): DesKey {
  return new DesKey(keyBytesInput(inputs, name, lengths))
}

/**
 * An AES key given as hex.
 * @throws MizanError BAD_INPUT when the input is absent, not hex or not 16, 24 or 32 bytes
 */
export function aesKeyInput(inputs: Inputs, name: string): AesKey {
  return new AesKey(keyBytesInput(inputs, name, [16, 24, 32]))
}
