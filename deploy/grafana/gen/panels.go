package main

import "strings"

// source is the data source that the variable of that name chooses.
func source() datasource { return datasource{Type: "prometheus", UID: "${datasource}"} }

// row is a heading, and panels of one height beside each other below it.
type row struct {
	title  string
	height int
	panels []panel
}

// width of a dashboard in Grafana's units.
const width = 24

// laidOut gives each panel its number and its place.
func laidOut(rows []row) []panel {
	var all []panel
	y := 0
	open := false
	for _, r := range rows {
		all = append(all, panel{Type: "row", Title: r.title, GridPos: grid{H: 1, W: width, Y: y}, Collapsed: &open})
		y++
		for i, p := range r.panels {
			w := width / len(r.panels)
			p.GridPos = grid{H: r.height, W: w, X: i * w, Y: y}
			all = append(all, p)
		}
		y += r.height
	}
	for i := range all {
		all[i].ID = i + 1
	}
	return all
}

// query is an expression and what its lines are called.
type query struct{ expr, legend string }

func targets(queries []query, instant bool) []target {
	var all []target
	for i, q := range queries {
		all = append(all, target{RefID: string(rune('A' + i)), Datasource: source(), Expr: q.expr, LegendFormat: q.legend, Instant: instant, Range: !instant})
	}
	return all
}

func number(v float64) *float64 { return &v }

// bands are green at first, and from each value on of the next colour.
func bands(orange, red float64) *thresholds {
	t := &thresholds{Mode: "absolute", Steps: []step{{Color: "green"}}}
	if orange > 0 {
		t.Steps = append(t.Steps, step{Color: "orange", Value: number(orange)})
	}
	if red > 0 {
		t.Steps = append(t.Steps, step{Color: "red", Value: number(red)})
	}
	return t
}

// stat is one figure that says whether all is well. From orange and red on it has that colour; 0 is never.
func stat(title, about, unit, expr string, orange, red float64) panel {
	s := source()
	return panel{
		Type: "stat", Title: title, Description: about, Datasource: &s, Targets: targets([]query{{expr, ""}}, true),
		FieldConfig: &fields{Overrides: []any{}, Defaults: defaults{Unit: unit, NoValue: "none", Color: &color{"thresholds"}, Thresholds: bands(orange, red)}},
		Options: map[string]any{
			"colorMode": "background", "graphMode": "none", "justifyMode": "auto", "orientation": "auto", "textMode": "auto", "wideLayout": true,
			"showPercentChange": false, "percentChangeColorMode": "standard",
			"reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
		},
	}
}

// wrong is stat for what is well while it is 1.
func wrong(title, about, expr string) panel {
	p := stat(title, about, "short", expr, 0, 0)
	p.FieldConfig.Defaults.Thresholds = &thresholds{Mode: "absolute", Steps: []step{{Color: "red"}, {Color: "green", Value: number(1)}}}
	return p
}

// lines is a diagram over time.
func lines(title, about, unit string, queries ...query) panel {
	s := source()
	return panel{
		Type: "timeseries", Title: title, Description: about, Datasource: &s, Targets: targets(queries, false),
		FieldConfig: &fields{Overrides: []any{}, Defaults: defaults{
			Unit: unit, Min: number(0), Color: &color{"palette-classic"},
			Custom: map[string]any{"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "never", "spanNulls": false},
		}},
		Options: map[string]any{
			"legend":  map[string]any{"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []string{}},
			"tooltip": map[string]any{"mode": "multi", "sort": "desc"},
		},
	}
}

// bars is lines of stacked areas.
func bars(title string, queries ...query) panel {
	p := lines(title, "", "short", queries...)
	p.FieldConfig.Defaults.Custom = map[string]any{
		"drawStyle": "bars", "lineWidth": 0, "fillOpacity": 80, "showPoints": "never", "stacking": map[string]any{"mode": "normal", "group": "A"},
	}
	return p
}

// table lists what an expression finds now.
func table(title, about, unit, expr string) panel {
	s := source()
	t := targets([]query{{expr, ""}}, true)
	t[0].Format = "table"
	return panel{
		Type: "table", Title: title, Description: about, Datasource: &s, Targets: t,
		FieldConfig: &fields{Overrides: []any{}, Defaults: defaults{Unit: unit, NoValue: "none", Custom: map[string]any{"align": "auto", "cellOptions": map[string]any{"type": "auto"}}}},
		Options:     map[string]any{"showHeader": true, "cellHeight": "sm"},
	}
}

// chosen is a variable that lists the values of a label.
func chosen(name, label, of string, all bool) variable {
	s := source()
	v := variable{Name: name, Label: label, Type: "query", Datasource: &s, Refresh: 2, Sort: 1, Multi: all, IncludeAll: all,
		Query: variableQuery{Query: of, RefID: strings.ToUpper(name)}}
	if all {
		v.AllValue = ".*"
	}
	return v
}

func board(uid, title, about string, vars []variable, rows []row) dashboard {
	first := variable{Name: "datasource", Label: "Data source", Type: "datasource", Query: "prometheus", Refresh: 1}
	return dashboard{
		UID: uid, Title: title, Description: about, Tags: []string{"rotatord"}, Editable: true, GraphTooltip: 1, SchemaVersion: schemaVersion, Refresh: "1m",
		Time: span{"now-24h", "now"}, Timezone: "browser",
		Links:      []link{{Title: "rotatord", Type: "dashboards", Icon: "external link", Tags: []string{"rotatord"}, AsDropdown: true, IncludeVars: true, KeepTime: true}},
		Templating: templating{append([]variable{first, chosen("job", "Installation", "label_values(rotatord_build_info, job)", false)}, vars...)},
		Panels:     laidOut(rows),
	}
}
