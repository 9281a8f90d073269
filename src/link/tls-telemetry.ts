import { Gauge } from 'prom-client'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { OwnCertificate, TlsObserver } from './tls-files.ts'

const SECOND_MS = 1_000
const EXPIRY = 'mizan_tls_certificate_expiry_timestamp_seconds'

/** Makes what happens to the links' certificates a gauge and log lines. */
export function tlsTelemetry(metrics: Metrics, log: Logger): TlsObserver {
  const expiry = expiryGauge(metrics)
  return {
    loaded(link, certificate, isReload) {
      expiry.set({ link }, Math.floor(certificate.notAfterMs / SECOND_MS))
      if (isReload) certificateReloaded(log, { link, ...describe(certificate) })
    },
    reloadFailed: (link, reason) => certificateReloadFailed(log, { link, reason }),
    expiring: (link, certificate, daysLeft) => certificateExpiring(log, { link, daysLeft, ...describe(certificate) }),
  }
}

/** One gauge for all links of a switch. */
function expiryGauge({ registry }: Metrics): Gauge<'link'> {
  const known = registry.getSingleMetric(EXPIRY) as Gauge<'link'> | undefined
  if (known !== undefined) return known
  const help = "End of a link's own certificate, seconds since 1970 UTC"
  return new Gauge({ name: EXPIRY, help, labelNames: ['link'], registers: [registry] })
}

interface CertificateFields {
  readonly fingerprint: string
  readonly notAfter: string
}

function describe({ fingerprint, notAfterMs }: OwnCertificate): CertificateFields {
  return { fingerprint, notAfter: new Date(notAfterMs).toISOString() }
}

function certificateReloaded(log: Logger, fields: { link: string } & CertificateFields): void {
  log.info({ event: 'certificate_reloaded', ...fields }, 'new connections use the new certificate')
}

function certificateReloadFailed(log: Logger, fields: { link: string; reason: string }): void {
  log.error({ event: 'certificate_reload_failed', ...fields }, 'the new certificate files are not used')
}

function certificateExpiring(log: Logger, fields: { link: string; daysLeft: number } & CertificateFields): void {
  log.warn({ event: 'certificate_expiring', ...fields }, 'a certificate ends soon')
}
