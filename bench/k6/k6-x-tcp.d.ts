/** The part of the official TCP extension of k6 that is used here; @types/k6 does not have it. */
declare module 'k6/x/tcp' {
  export class Socket {
    constructor(options?: { tags?: Record<string, string> })
    connect(port: number, host: string): Promise<void>
    write(data: string | ArrayBuffer, options?: { tags?: Record<string, string> }): Promise<void>
    on(event: 'data', handler: (data: ArrayBuffer) => void): void
    on(event: 'connect' | 'close' | 'timeout', handler: () => void): void
    on(event: 'error', handler: (error: unknown) => void): void
    destroy(): void
  }
}
