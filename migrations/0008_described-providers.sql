CREATE TABLE "providers" (
	"name" text PRIMARY KEY NOT NULL,
	"source" text NOT NULL,
	"description" jsonb NOT NULL,
	"overrides" jsonb NOT NULL,
	"hash" text NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"updated_at" timestamp with time zone NOT NULL
);
