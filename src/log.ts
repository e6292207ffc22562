/** The log: JSON lines, or lines for people on a terminal. Never holds a secret: only named fields are written. */
import pino from 'pino'

export type Logger = pino.Logger
