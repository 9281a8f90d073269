import type { TLSSocket } from 'node:tls'
import { normalFingerprint } from './tls-files.ts'

/**
 * Certificates that a link takes from its peer, by the SHA-256 fingerprint of the whole certificate. A pin takes the
 * place of an authority, or narrows what an authority vouches for where both are given.
 */
export class PinnedCertificates {
  readonly #fingerprints: ReadonlySet<string>
  readonly #now: () => number

  /** @param fingerprints 64 hex digits each, colons allowed */
  constructor(fingerprints: readonly string[], now: () => number) {
    this.#fingerprints = new Set(fingerprints.map(normalFingerprint))
    this.#now = now
  }

  /**
   * Why the peer of a finished handshake is not taken; undefined when it is. The handshake has proven that the peer has
   * the certificate's key (TLS 1.3: RFC 8446, 4.4.3), so what is left is whether the certificate is one of ours, and
   * valid.
   */
  refusalOf(socket: TLSSocket): string | undefined {
    const certificate = socket.getPeerX509Certificate()
    if (certificate === undefined) return 'the peer showed no certificate'
    if (!this.#fingerprints.has(normalFingerprint(certificate.fingerprint256))) {
      return 'the fingerprint of the certificate is not among those pinned'
    }
    const nowMs = this.#now()
    if (nowMs < certificate.validFromDate.getTime()) return 'the pinned certificate is not valid yet'
    if (nowMs >= certificate.validToDate.getTime()) return 'the pinned certificate has ended'
    return undefined
  }
}
