import type { Message } from '../iso8583/message.ts'
import { type Eventually, isPending } from '../security/security-module.ts'
import type { MacFault, MessageMac } from './message-mac.ts'
import { isNetworkManagement, networkCodes } from './session.ts'

/** Why a message is not let in; `mac-failed` when the security module itself could not say. */
export type Unauthentic = MacFault | 'mac-failed'

/** `authentic`: its MAC is right; `before-keys`: it has none and may come so, since the link has no MAC key yet. */
export type Admission = 'authentic' | 'before-keys' | Unauthentic

/** DE70 codes that a link without a MAC key needs in order to get one; docs/links.md, "Message authentication". */
const BEFORE_KEYS: readonly string[] = [networkCodes.signOn, networkCodes.echo, networkCodes.keyExchange]

/**
 * Whether a message is let in on a link that requires a MAC; at once where the module answers at once.
 * @param message read to its end
 * @returns never rejects: a module that fails lets nothing in
 */
export function admissionOf(mac: MessageMac, message: Message): Eventually<Admission> {
  try {
    const fault = mac.check(message)
    if (!isPending(fault)) return judge(mac, message, fault)
    return fault.then((known) => judge(mac, message, known)).catch(() => 'mac-failed')
  } catch {
    return 'mac-failed'
  }
}

function judge(mac: MessageMac, message: Message, fault: MacFault | undefined): Eventually<Admission> {
  if (fault === undefined) return 'authentic'
  if (fault !== 'mac-missing' || !mayPrecedeKeys(message)) return fault
  const isKeyed = mac.hasKey()
  if (!isPending(isKeyed)) return isKeyed === true ? fault : 'before-keys'
  return isKeyed.then((known) => (known ? fault : 'before-keys'))
}

function mayPrecedeKeys(message: Message): boolean {
  return isNetworkManagement(message.mti) && BEFORE_KEYS.includes(message.text(70) ?? '')
}
