import { MizanError } from '../../errors.ts'
import { makeArpc1, makeArpc2 } from '../emv/arpc.ts'
import { ApplicationCryptograms } from '../emv/arqc.ts'
import type { TagLookup } from '../emv/cryptogram-data.ts'
import {
  CRYPTOGRAM_DATA_MAX,
  cryptogramVersions,
  ISSUER_DATA_TAG,
  writeCryptogramData,
} from '../emv/cryptogram-data.ts'
import type { MasterKeyOption } from '../emv/master-key.ts'
import { deriveCardKey, deriveUnadjustedCardKey } from '../emv/master-key.ts'
import { encipherScriptData, scriptMac, securedCommand, visaPinBlock } from '../emv/script.ts'
import {
  CARD_KEY_BYTES,
  cryptogramDiversifier,
  deriveCommonSessionKey,
  deriveTreeSessionKey,
  deriveVisaScriptKey,
  mchipDiversifier,
} from '../emv/session-key.ts'
import { PIN_MAX_DIGITS } from '../pin/pin-block.ts'
import { decipherPinBlock } from '../pin/pin-cipher.ts'
import { DesKey } from '../primitives/des.ts'
import { tdesKcv } from '../primitives/key-checks.ts'
import { pad, retailMac } from '../primitives/mac.ts'
import { desKeyInput, keyBytesInput } from './keys.ts'
import type { Inputs, KnownAlgorithms } from './runner.ts'
import { hasInput, hexInput, numberInput, textInput, toHex } from './runner.ts'

/** Known answers of EMV and VIS: card and session keys, cryptograms, answers to them, issuer scripts. */
export const emvAlgorithms: KnownAlgorithms = {
  'emv.mk.option_a': (inputs) => cardKeyOutputs(cardKey(inputs, 'imk', 'A')),
  'emv.mk.option_b': (inputs) => cardKeyOutputs(cardKey(inputs, 'imk', 'B')),
  'emv.mk.option_a_no_parity': (inputs) => {
    const key = new Uint8Array(CARD_KEY_BYTES)
    deriveUnadjustedCardKey(issuerKey(inputs, 'imk'), textInput(inputs, 'pan'), textInput(inputs, 'psn'), 'A', key)
    return { icc_mk_before_parity: toHex(key) }
  },
  'emv.sk.common': (inputs) => {
    const key = new Uint8Array(CARD_KEY_BYTES)
    deriveCommonSessionKey(issuerKey(inputs, 'icc_mk'), bytesInput(inputs, 'r', 8), key)
    return sessionKeyOutputs(key)
  },
  'emv.sk.visa_sm': (inputs) => {
    const key = new Uint8Array(CARD_KEY_BYTES)
    deriveVisaScriptKey(bytesInput(inputs, 'icc_mk', CARD_KEY_BYTES), bytesInput(inputs, 'atc', 2), key)
    return sessionKeyOutputs(key)
  },
  'emv.sk.emv2000_tree': (inputs) => {
    const key = new Uint8Array(CARD_KEY_BYTES)
    const branch = numberInput(inputs, 'branch')
    const height = numberInput(inputs, 'height')
    if (!(branch === 2 && height === 16) && !(branch === 4 && height === 8)) {
      throw new MizanError('BAD_INPUT', 'branch and height must be 2 and 16, or 4 and 8')
    }
    const tree = { branch, height, initialValue: bytesInput(inputs, 'iv', 16) }
    deriveTreeSessionKey(bytesInput(inputs, 'icc_mk', CARD_KEY_BYTES), bytesInput(inputs, 'atc', 2), tree, key)
    return sessionKeyOutputs(key)
  },
  'emv.arqc.cvn10': (inputs) => ({ arqc: cryptogramOf(inputs) }),
  'emv.arqc.cvn18': (inputs) => ({ arqc: cryptogramOf(inputs) }),
  'emv.arqc.cvn22hex': (inputs) => ({ arqc: cryptogramOf(inputs) }),
  'emv.arqc.generic': (inputs) => {
    const padding = numberInput(inputs, 'padding_method')
    if (padding !== 1 && padding !== 2) throw new MizanError('BAD_INPUT', 'padding_method must be 1 or 2')
    return { arqc: toHex(retailMac(genericSessionKey(inputs), hexInput(inputs, 'data'), padding)) }
  },
  'emv.arqc_data.cvn10': (inputs) => ({ mac_input: toHex(pad(cryptogramData(inputs, 0x0a), 1, 8)) }),
  'emv.arqc_data.cvn22hex': (inputs) => ({ mac_input: toHex(cryptogramData(inputs, 0x22)) }),
  'emv.arpc.method1': (inputs) => ({ arpc: arpc1(issuerKey(inputs, 'key'), inputs) }),
  'emv.arpc.method2': (inputs) => ({ arpc: arpc2(issuerKey(inputs, 'key'), inputs) }),
  'emv.arpc.cvn10': (inputs) => ({ arpc: arpc1(new DesKey(cardKey(inputs, 'imk_ac', 'A')), inputs) }),
  'emv.arpc.cvn18': (inputs) => {
    const diversifier = new Uint8Array(8)
    cryptogramDiversifier(bytesInput(inputs, 'atc', 2), diversifier)
    return { arpc: arpc2(sessionKeyOver(cardKey(inputs, 'imk_ac', 'A'), diversifier), inputs) }
  },
  'emv.script.mac': (inputs) => ({
    mac: toHex(retailMac(issuerKey(inputs, 'sk_smi'), hexInput(inputs, 'data'), 2)),
  }),
  'emv.script.vis_pin_block': (inputs) => ({
    pin_block: toHex(visaPinBlock(cardKeyInput(inputs), pinInput(inputs, 'new_pin'), currentPin(inputs))),
  }),
  'emv.script.pin_change_visa': (inputs) => {
    const [cla = 0, ins = 0, p1 = 0, p2 = 0] = bytesInput(inputs, 'header', 5)
    const block = visaPinBlock(cardKeyInput(inputs), pinInput(inputs, 'new_pin'), currentPin(inputs))
    const enciphered = encipherScriptData(issuerKey(inputs, 'sk_smc'), block)
    const header = { cla, ins, p1, p2 }
    return { apdu: toHex(securedCommand(issuerKey(inputs, 'sk_smi'), header, transactionInput(inputs), enciphered)) }
  },
  'emv.script.pin_translate_visa': (inputs) => {
    const newPin = zonePin(inputs, 'new_pin_block_iso0')
    const current = hasInput(inputs, 'current_pin_block_iso0') ? zonePin(inputs, 'current_pin_block_iso0') : undefined
    const block = visaPinBlock(cardKeyInput(inputs), newPin, current)
    const enciphered = encipherScriptData(issuerKey(inputs, 'sk_smc'), block)
    // The header is taken as it is given: the one published answer leaves the MAC out of Lc.
    const header = bytesInput(inputs, 'header', 5)
    const mac = scriptMac(issuerKey(inputs, 'sk_smi'), header, transactionInput(inputs), enciphered)
    return { enc_pin: toHex(enciphered), mac: toHex(mac) }
  },
}

function issuerKey(inputs: Inputs, name: string): DesKey {
  return desKeyInput(inputs, name, [CARD_KEY_BYTES])
}

function cardKeyInput(inputs: Inputs): Buffer {
  return bytesInput(inputs, 'icc_mk_ac', CARD_KEY_BYTES)
}

function bytesInput(inputs: Inputs, name: string, bytes: number): Buffer {
  return keyBytesInput(inputs, name, [bytes])
}

function cardKey(inputs: Inputs, name: string, option: MasterKeyOption): Uint8Array {
  const key = new Uint8Array(CARD_KEY_BYTES)
  deriveCardKey(issuerKey(inputs, name), textInput(inputs, 'pan'), textInput(inputs, 'psn'), option, key)
  return key
}

function cardKeyOutputs(key: Uint8Array): Record<string, string> {
  return { icc_mk: toHex(key), icc_mk_kcv: toHex(tdesKcv(key, 8)) }
}

function sessionKeyOutputs(key: Uint8Array): Record<string, string> {
  return { sk: toHex(key), sk_kcv: toHex(tdesKcv(key, 8)) }
}

function sessionKeyOver(card: Uint8Array, diversifier: Uint8Array): DesKey {
  const key = new Uint8Array(CARD_KEY_BYTES)
  deriveCommonSessionKey(new DesKey(card), diversifier, key)
  return new DesKey(key)
}

/** A session key given, or derived as `mk_option` and `sk_method` say. */
function genericSessionKey(inputs: Inputs): DesKey {
  if (hasInput(inputs, 'session_key')) return issuerKey(inputs, 'session_key')
  const option = textInput(inputs, 'mk_option')
  if (option !== 'A' && option !== 'B') throw new MizanError('BAD_INPUT', 'mk_option must be A or B')
  const card = cardKey(inputs, 'imk_ac', option)
  const method = textInput(inputs, 'sk_method')
  if (method === 'none') return new DesKey(card)
  const diversifier = new Uint8Array(8)
  const counter = bytesInput(inputs, 'atc', 2)
  if (method === 'csk') cryptogramDiversifier(counter, diversifier)
  else if (method === 'mchip') mchipDiversifier(counter, bytesInput(inputs, 'un', 4), diversifier)
  else throw new MizanError('BAD_INPUT', 'sk_method must be none, csk or mchip')
  return sessionKeyOver(card, diversifier)
}

/** Tags of an answer; one that gives only the CVR gets issuer application data around it. */
function chipInput(inputs: Inputs): TagLookup {
  const { tags } = inputs
  if (typeof tags !== 'object' || tags === null) throw new MizanError('BAD_INPUT', 'tags must be an object of hex')
  const given: Inputs = Object.fromEntries(Object.entries(tags))
  return (tag) => {
    if (tag === ISSUER_DATA_TAG && hasInput(given, 'CVR')) {
      return Buffer.concat([Uint8Array.of(6, 1, 0x0a), hexInput(given, 'CVR')])
    }
    const name = tag.toString(16).toUpperCase()
    return hasInput(given, name) ? hexInput(given, name) : undefined
  }
}

function cryptogramOf(inputs: Inputs): string {
  const cryptograms = new ApplicationCryptograms(bytesInput(inputs, 'imk_ac', CARD_KEY_BYTES), 'A')
  const out = new Uint8Array(8)
  const card = { pan: textInput(inputs, 'pan'), psn: textInput(inputs, 'psn') }
  cryptograms.generate(card, chipInput(inputs), out)
  cryptograms.wipe()
  return toHex(out)
}

function cryptogramData(inputs: Inputs, cvn: number): Uint8Array {
  const version = cryptogramVersions.find((known) => known.cvn === cvn)
  if (version === undefined) throw new MizanError('CRYPTO_REFUSED', 'the cryptogram version is not known')
  const out = new Uint8Array(CRYPTOGRAM_DATA_MAX)
  return out.subarray(0, writeCryptogramData(version, chipInput(inputs), out))
}

function arpc1(key: DesKey, inputs: Inputs): string {
  const out = new Uint8Array(8)
  makeArpc1(key, bytesInput(inputs, 'arqc', 8), bytesInput(inputs, 'arc', 2), out)
  return toHex(out)
}

function arpc2(key: DesKey, inputs: Inputs): string {
  const out = new Uint8Array(8)
  const proprietary = hasInput(inputs, 'prop_auth_data') ? hexInput(inputs, 'prop_auth_data') : new Uint8Array(0)
  if (proprietary.length > 8) throw new MizanError('BAD_INPUT', 'prop_auth_data has at most 8 bytes')
  makeArpc2(key, bytesInput(inputs, 'arqc', 8), bytesInput(inputs, 'csu', 4), proprietary, out)
  return toHex(out.subarray(0, 4))
}

function transactionInput(inputs: Inputs): { counter: Buffer; cryptogram: Buffer } {
  return { counter: bytesInput(inputs, 'atc', 2), cryptogram: bytesInput(inputs, 'arqc', 8) }
}

function pinInput(inputs: Inputs, name: string): Uint8Array {
  const text = textInput(inputs, name)
  if (!/^\d+$/.test(text)) throw new MizanError('BAD_INPUT', `${name} must be digits`)
  return Uint8Array.from(text, Number)
}

function currentPin(inputs: Inputs): Uint8Array | undefined {
  return hasInput(inputs, 'current_pin') ? pinInput(inputs, 'current_pin') : undefined
}

/** PIN of a block of format 0 under the zone key. */
function zonePin(inputs: Inputs, name: string): Uint8Array {
  const pin = new Uint8Array(PIN_MAX_DIGITS)
  const by = { format: 0, key: issuerKey(inputs, 'zpk') } as const
  return pin.subarray(0, decipherPinBlock(by, hexInput(inputs, name), textInput(inputs, 'pan'), pin))
}
