/** Counters and timings for operators, low in cardinality. Never an id, a name an agent chose, or a secret. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

export type Metrics = ReturnType<typeof createMetrics>

export function createMetrics() {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: 'valetkey_' })
  return {
    registry,
    calls: new Counter({
      name: 'valetkey_calls_total',
      help: 'Calls of known agents, by connection and by verdict: allow, or the code of the refusal.',
      labelNames: ['connection', 'verdict'],
      registers: [registry],
    }),
    strangers: new Counter({
      name: 'valetkey_strangers_total',
      help: 'Calls refused before anybody knew who asked, by code.',
      labelNames: ['code'],
      registers: [registry],
    }),
    seconds: new Histogram({
      name: 'valetkey_call_seconds',
      help: 'From the end of reading a call to the end of its answer.',
      buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers: [registry],
    }),
    lookups: new Counter({
      name: 'valetkey_lookups_total',
      help: 'Look-ups sent upstream to locate resources, by outcome.',
      labelNames: ['outcome'],
      registers: [registry],
    }),
    open: new Gauge({
      name: 'valetkey_calls_open',
      help: 'Calls under way.',
      registers: [registry],
    }),
  }
}
