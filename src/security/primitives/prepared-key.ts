import { createSecretKey, type KeyObject } from 'node:crypto'

/** By the bytes of the key, so that one goes when whoever loaded its key lets that go. */
const prepared = new WeakMap<Uint8Array, KeyObject>()

/**
 * A key as the library has it prepared, made once for the bytes that were loaded: a cipher that is given bytes prepares
 * them anew, which costs it several times what a card number does. It shows nothing of the key when it is printed.
 * @param key as it was loaded; a copy of it would be prepared by itself
 */
export function preparedKey(key: Uint8Array): KeyObject {
  let known = prepared.get(key)
  if (known === undefined) {
    known = createSecretKey(key)
    prepared.set(key, known)
  }
  return known
}
