package config

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

func (c *checker) digicertone(path string, o *DigiCertOne) {
	c.baseURL(path+".base_url", o.BaseURL)
	if field := path + ".base_url"; c.good(field, path+".api_path") && strings.HasSuffix(strings.TrimSuffix(o.BaseURL, "/"), o.APIPath) {
		c.errorf(field, "leave that out, it is api_path: write "+strings.TrimSuffix(strings.TrimSuffix(o.BaseURL, "/"), o.APIPath),
			"ends with %s", o.APIPath)
	}
	c.absolute(path+".ca_file", o.CAFile)
	c.timeout(path+".timeout", o.Timeout)
	if field := path + ".api_path"; c.good(field) && (!strings.HasPrefix(o.APIPath, "/") || strings.HasSuffix(o.APIPath, "/")) {
		c.errorf(field, "write one such as /account/api/v1", "is not a path below base_url")
	}
	c.digicertoneCredential(path, o)
	c.digicertoneNames(path, o)
	c.digicertonePaths(path+".paths", o.Paths)
	c.rates(path, o.Rates)
	if c.good(path+".max_keys_per_user") && o.MaxKeysPerUser == 1 {
		c.errorf(path+".max_keys_per_user", "write 2 or more, or 0 for no cap", "leaves no room for the new key beside the old one")
	}
	if field := path + ".propagation"; c.good(field) && o.Propagation.Std() > time.Hour {
		c.warnf(field, "write the time that changes take at the service", "is %s: every rotation waits for it", o.Propagation)
	}
}

// digicertoneCredential wants a token or a certificate, and to be told if both are to be sent.
func (c *checker) digicertoneCredential(path string, o *DigiCertOne) {
	cert, key, send := path+".client_cert_file", path+".client_key_file", path+".send_key_with_certificate"
	c.absolute(cert, o.ClientCertFile)
	c.absolute(key, o.ClientKeyFile)
	hasKey, hasCert := !o.APIKey.IsZero(), o.ClientCertFile != ""
	switch {
	case !c.good(path+".api_key", path+".api_key_file", path+".api_key_env", cert, key, send):
	case hasCert && o.ClientKeyFile == "":
		c.errorf(key, "name the file of its private key", "is missing beside client_cert_file")
	case !hasCert && o.ClientKeyFile != "":
		c.errorf(cert, "name the file of the certificate", "is missing beside client_key_file")
	case !hasKey && !hasCert:
		c.errorf(path+".api_key", "write api_key_file with an absolute path, or client_cert_file and client_key_file", "is missing, and so is a client certificate")
	case o.SendKeyWithCertificate && (!hasKey || !hasCert):
		c.errorf(send, "leave it out, or give both", "needs a token and a client certificate")
	case hasKey && hasCert && !o.SendKeyWithCertificate:
		c.errorf(send, "set it to true, or leave out one of the two", "is false, and there are a token and a client certificate")
	}
}

// withoutField are those of fields that an instance may not have.
var withoutField = []string{
	"user_description", "user_created", "user_account", "created_token_id", "created_token_end_date", "token_created", "token_last_used",
}

func (c *checker) digicertoneNames(path string, o *DigiCertOne) {
	fields := reflect.ValueOf(o.Fields)
	for i := range fields.NumField() {
		name, value := fields.Type().Field(i).Tag.Get("yaml"), fields.Field(i).String()
		field := path + ".fields." + name
		switch {
		case !c.good(field):
		case value == "" && !slices.Contains(withoutField, name):
			c.errorf(field, "write the name that the instance uses", "is empty, and nothing works without that field")
		case value != "" && slices.Contains(strings.Split(value, "."), ""):
			c.errorf(field, "write names with dots between them, as in api_token.token", "%q has a dot without a name beside it", value)
		}
	}
	words := map[string]string{}
	statuses := reflect.ValueOf(o.Statuses)
	for i := range statuses.NumField() {
		name, value := statuses.Type().Field(i).Tag.Get("yaml"), statuses.Field(i).String()
		field := path + ".statuses." + name
		other, taken := words[value]
		switch {
		case !c.good(field):
		case value == "":
			c.errorf(field, "write the word that the instance uses", "is empty")
		case taken:
			c.errorf(field, "give each state a word of its own", "is the word for %s already", other)
		}
		words[value] = name
	}
}

func (c *checker) digicertonePaths(path string, o DigiCertOnePaths) {
	paths := reflect.ValueOf(o)
	for i := range paths.NumField() {
		field, value := path+"."+paths.Type().Field(i).Tag.Get("yaml"), paths.Field(i).String()
		if c.good(field) && (!strings.HasPrefix(value, "/") || strings.Count(value, "{id}") != 1 || strings.ContainsAny(value, "?#")) {
			c.errorf(field, "write one such as /user/{id}", "is not a path with {id} in it, once")
		}
	}
}
