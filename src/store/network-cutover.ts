import { type KeptConnection, keptConnection } from './kept-connection.ts'

/** A business day that a network closed on its side. */
export interface NetworkCutover {
  readonly link: string
  readonly stan: string
  readonly transmission: string
  /** DE15, MMDD. */
  readonly settlementDate: string | undefined
  readonly receivedAtMs: number
}

/** Notes the cutovers of networks, over a connection of its own. */
export class NetworkCutovers {
  readonly #connection: KeptConnection

  constructor(url: string) {
    this.#connection = keptConnection({ url, name: 'mizan network cutovers', role: 'mizan_app', queryTimeoutMs: 5_000 })
  }

  /** @returns false when the same message was noted before */
  async note({ link, stan, transmission, settlementDate, receivedAtMs }: NetworkCutover): Promise<boolean> {
    return this.#connection.use(async (client) => {
      const { rowCount } = await client.query(
        `insert into network_cutover (link, stan, transmission, settlement_date, received_at)
         values ($1, $2, $3, $4, $5) on conflict do nothing`,
        [link, stan, transmission, settlementDate ?? null, new Date(receivedAtMs)],
      )
      return rowCount === 1
    })
  }

  close(): Promise<void> {
    return this.#connection.close()
  }
}
