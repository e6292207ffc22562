/** The files that pages load: under names that change with their content, so that they may be kept for ever. Never anything from data. */
import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Hono } from 'hono'
import { script } from './script.ts'
import { style } from './style.ts'

type Asset = { path: string; type: string; body: string }

function asset(name: string, type: string, body: string): Asset {
  const [stem, extension] = name.split('.')
  const path = `/console/assets/${stem}.${hash('sha256', body, 'hex').slice(0, 12)}.${extension}`
  return { path, type, body }
}

/** The browser's half of WebAuthn, as its makers bundle it. */
function webauthnBundle(): string {
  const require = createRequire(import.meta.url)
  const main = require.resolve('@simplewebauthn/browser')
  const root = main.slice(
    0,
    main.lastIndexOf(join('@simplewebauthn', 'browser')) +
      join('@simplewebauthn', 'browser').length,
  )
  return readFileSync(
    join(dirname(join(root, 'package.json')), 'dist/bundle/index.umd.min.js'),
    'utf8',
  )
}

const css = 'text/css; charset=utf-8'
const javascript = 'text/javascript; charset=utf-8'

export const assets = {
  style: asset('style.css', css, style),
  webauthn: asset('webauthn.js', javascript, webauthnBundle()),
  script: asset('console.js', javascript, script),
}

export function assetRoutes() {
  const app = new Hono()
  for (const { path, type, body } of Object.values(assets)) {
    app.get(path, (c) =>
      c.body(body, 200, {
        'Content-Type': type,
        'Cache-Control': 'public, max-age=31536000, immutable',
        'X-Content-Type-Options': 'nosniff',
      }),
    )
  }
  return app
}
