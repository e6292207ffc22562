CREATE TABLE "former_secrets" (
	"connection" text NOT NULL,
	"version" integer NOT NULL,
	"sealed" text NOT NULL,
	CONSTRAINT "former_secrets_connection_version_pk" PRIMARY KEY("connection","version")
);
--> statement-breakpoint
ALTER TABLE "former_secrets" ADD CONSTRAINT "former_secrets_connection_connections_name_fk" FOREIGN KEY ("connection") REFERENCES "public"."connections"("name") ON DELETE cascade ON UPDATE no action;