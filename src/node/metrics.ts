import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Metrics } from '../slice/index.ts'

/** Everything `/metrics` shows. One registry a node, so that several nodes may run in one process in tests. */
export class NodeMetrics {
  readonly #registry = new Registry()
  readonly #requests: Counter<'method' | 'status'>
  readonly #durations: Histogram
  readonly #requestCounts = new Map<string, number>()
  readonly #reported = new Map<string, number>()

  constructor(version: string) {
    const registers = [this.#registry]
    collectDefaultMetrics({ register: this.#registry })
    new Gauge({
      name: 'aether_build_info',
      help: 'Always 1; the label tells the version.',
      labelNames: ['version'],
      registers,
    }).set({ version }, 1)
    this.#requests = new Counter({
      name: 'aether_http_requests_total',
      help: 'HTTP requests answered, by method and status; status 0: the client left first.',
      labelNames: ['method', 'status'],
      registers,
      collect: () => this.#report(),
    })
    this.#durations = new Histogram({
      name: 'aether_http_request_duration_seconds',
      help: 'From the request head to the end of the answer.',
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60],
      registers,
    })
  }

  /** Called once an answered request: labels are counted in a plain map and reach the registry when it is read. */
  request(method: string, status: number, durationMs: number): void {
    const key = `${KNOWN_METHODS.has(method) ? method : 'OTHER'} ${status}`
    this.#requestCounts.set(key, (this.#requestCounts.get(key) ?? 0) + 1)
    this.#durations.observe(durationMs / 1_000)
  }

  /** Where further metrics are registered. */
  get registry(): Registry {
    return this.#registry
  }

  /** The view that slices get. */
  forSlices(): Metrics {
    const registers = [this.#registry]
    return {
      counter(name, help, labelNames) {
        const counter = new Counter({ name, help, labelNames, registers })
        return (labels, by = 1) => counter.inc({ ...labels }, by)
      },
    }
  }

  /** The Prometheus text format. */
  async text(): Promise<{ contentType: string; body: string }> {
    return { contentType: this.#registry.contentType, body: await this.#registry.metrics() }
  }

  #report(): void {
    for (const [key, count] of this.#requestCounts) {
      const [method = '', status = ''] = key.split(' ')
      this.#requests.inc({ method, status }, count - (this.#reported.get(key) ?? 0))
      this.#reported.set(key, count)
    }
  }
}

/** A client may send any method; only these become labels. */
const KNOWN_METHODS = new Set(['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'OPTIONS', 'PATCH'])
